"""Which time is reconciled: what an operator types is days of TIME_ZONE, or moments."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.reconciling.window import NoWindow, read_window

NOW = datetime(2026, 11, 27, 0, 30, tzinfo=UTC)
DELHI, BERLIN = ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins", "ends", "since", "until", "name"),
    [
        ("", "", "2026-11-25T18:30", "2026-11-26T18:30", "2026-11-26"),
        ("2026-11-01", "", "2026-10-31T18:30", "2026-11-01T18:30", "2026-11-01"),
        ("2026-11-01", "2026-11-02", "2026-10-31T18:30", "2026-11-02T18:30", "2026-11-01-to-2026-11-02"),
        ("2026-11-26T12:00:00Z", "", "2026-11-26T12:00", "2026-11-27T00:30", "20261126T120000Z-to-20261127T003000Z"),
        ("2026-11-26T12:00:00+05:30", "2026-11-26", "2026-11-26T06:30", "2026-11-26T18:30", None),
    ],
)
def test_days_are_included_and_moments_are_not(
    begins: str, ends: str, since: str, until: str, name: str | None
) -> None:
    window = read_window(begins, ends, DELHI, NOW)
    assert (window.begins, window.ends) == (utc(since), utc(until))
    assert name is None or window.name == name


def test_a_day_on_which_clocks_are_put_back_has_25_hours() -> None:
    window = read_window("2026-10-25", "", BERLIN, NOW)
    assert (window.begins, window.ends) == (utc("2026-10-24T22:00"), utc("2026-10-25T23:00"))


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("", "2026-11-01"),
        ("2026-11-02", "2026-11-01"),
        ("2026-11-31", ""),
        ("26-11-01", ""),
        ("2026-11-01T12:00:00", ""),
        ("2026-11-28", ""),
        ("2025-11-01", "2026-11-20"),
        ("0001-01-01", ""),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_anything_else_is_refused(begins: str, ends: str) -> None:
    with pytest.raises(NoWindow):
        read_window(begins, ends, DELHI, NOW)
