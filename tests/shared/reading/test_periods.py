"""The periods of figures: whole hours, days, weeks and months of a time zone, also where its clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reading.periods import KINDS, Period, period_of, read_period
from shared.web.problems import Problem

NOW = datetime(2026, 11, 26, 20, 52, 59, 123456, UTC)
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/Havana",
    "Asia/Beirut",
    "Australia/Lord_Howe",
)
MINUTES = st.integers(0, 15 * 366 * 24 * 60).map(
    lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def read(zone: str = "UTC", **parameters: str) -> Period:
    return read_period(list(parameters.items()), ZoneInfo(zone), NOW)


def local(period: Period) -> list[str]:
    """Where its columns begin and the last ends, as its clocks show it."""
    return [f"{start.astimezone(period.zone):%Y-%m-%d %H:%M}" for start in period.starts]


def test_without_parameters_it_is_today() -> None:
    period = read()
    assert (period.kind, period.begins, period.ends) == (
        "day",
        datetime(2026, 11, 26, tzinfo=UTC),
        datetime(2026, 11, 27, tzinfo=UTC),
    )
    assert local(read("Asia/Kolkata"))[0] == "2026-11-27 00:00"


def test_an_hour_has_quarters_a_day_hours_a_week_and_a_month_days() -> None:
    assert local(read("Asia/Kolkata", period="hour"))[::2] == [
        "2026-11-27 02:00",
        "2026-11-27 02:30",
        "2026-11-27 03:00",
    ]
    assert len(local(read(period="day"))) == 24 + 1
    assert local(read(period="week")) == [f"2026-11-{day} 00:00" for day in range(23, 31)]
    assert local(read(period="month"))[::30] == ["2026-11-01 00:00", "2026-12-01 00:00"]
    assert len(read(period="month", at="2028-02-10").starts) == 29 + 1


@pytest.mark.parametrize(
    ("zone", "day", "hours", "begins"),
    [
        ("Europe/Berlin", "2026-03-29", 23, "2026-03-28T23:00Z"),
        ("Europe/Berlin", "2026-10-25", 25, "2026-10-24T22:00Z"),
        ("Asia/Beirut", "2026-03-29", 23, "2026-03-28T22:00Z"),  # midnight is skipped
        ("America/Havana", "2026-11-01", 25, "2026-11-01T04:00Z"),  # midnight comes twice
        ("Australia/Lord_Howe", "2026-04-05", 25, "2026-04-04T13:00Z"),  # half an hour longer
    ],
)
def test_a_day_on_which_clocks_are_changed_has_the_hours_that_it_has(
    zone: str, day: str, hours: int, begins: str
) -> None:
    period = read(zone, period="day", at=day)
    assert len(period.starts) == hours + 1
    assert period.begins == datetime.fromisoformat(begins)
    assert period.holds(period.begins)
    assert period.previous.ends == period.begins
    assert period.next.begins == period.ends


def test_an_hour_that_comes_twice_is_two_periods() -> None:
    first = read("Europe/Berlin", period="hour", at="2026-10-25T00:30:00Z")
    assert (local(first)[0], local(first.next)[0]) == ("2026-10-25 02:00", "2026-10-25 02:00")
    assert first.next.begins - first.begins == timedelta(hours=1)


@given(kind=st.sampled_from(KINDS), zone=st.sampled_from(ZONES), moment=MINUTES)
def test_every_moment_is_in_one_period_whose_columns_follow_on_one_another_at_quarters(
    kind: str, zone: str, moment: datetime
) -> None:
    period = period_of(kind, moment, ZoneInfo(zone))
    assert period.begins <= moment < period.ends
    assert list(period.starts) == sorted(set(period.starts))
    assert all(start.minute % 15 == start.second == 0 for start in period.starts)
    if (kind, zone) != ("hour", "Australia/Lord_Howe"):  # where clocks go back in the middle of an hour
        assert period.next.begins == period.ends
        assert period.previous.ends == period.begins


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        ("2026-11-22", "2026-11-22T00:00Z"),
        ("2026-11-22T12:00:00Z", "2026-11-22T00:00Z"),
        ("2026-11-22t23:30:00-05:30", "2026-11-23T00:00Z"),
        ("2026-11-22T23:30:00 05:30", "2026-11-22T00:00Z"),  # an unescaped + is a space
    ],
)
def test_a_period_is_named_by_any_day_or_time_in_it(at: str, begins: str) -> None:
    assert read(at=at).begins == datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    "at",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-11-22T12:00",
        "1999-12-31",
        "9999-12-31",
        "٢٠٢٦-11-22",
        "2026-11-22T25:00:00Z",
    ],
)
def test_another_time_is_refused(at: str) -> None:
    with pytest.raises(Problem) as refused:
        read(at=at)
    assert [field for field, _ in refused.value.errors] == ["at"]


def test_every_wrong_parameter_is_named() -> None:
    given = [("period", "year"), ("period", "day"), ("at", "x"), ("tz", "UTC"), ("tz", "UTC")]
    with pytest.raises(Problem) as refused:
        read_period(given, ZoneInfo("UTC"), NOW)
    assert refused.value.status == 400
    assert [field for field, _ in refused.value.errors] == ["tz", "period", "at"]
