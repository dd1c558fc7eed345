"""The query of a listing, and the cursor from page to page."""

import base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reading.queries import Page, PaymentQuery, read_page, read_payment_query, refuse_parameters
from shared.web.problems import Problem


def faults(*parameters: tuple[str, str], read: Any = read_payment_query) -> dict[str, str]:
    with pytest.raises(Problem) as refused:
        read(list(parameters))
    assert refused.value.code == "invalid_request"
    return dict(refused.value.errors)


def cursor(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode().rstrip("=")


def test_without_parameters_a_page_has_twenty_of_all_payments() -> None:
    assert read_payment_query([]) == PaymentQuery(Page(limit=20))


def test_every_filter_is_read() -> None:
    query = read_payment_query(
        [
            ("trip_id", "101"),
            ("status", "success"),
            ("method", "Card"),
            ("from", "2026-11-22T12:00:00Z"),
            ("to", "2026-11-23t00:00:00.5+05:30"),
            ("limit", "100"),
        ]
    )
    assert (query.trip_id, query.statuses, query.methods, query.page.limit) == (101, ("SUCCESS",), ("CARD",), 100)
    assert (query.since, query.until) == ("2026-11-22T12:00:00+00:00", "2026-11-22T18:30:00.500000+00:00")


def test_a_plus_that_was_not_escaped_is_still_a_time_zone() -> None:
    assert read_payment_query([("from", "2026-11-22T12:00:00 05:30")]).since == "2026-11-22T06:30:00+00:00"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("limit", text) for text in ("0", "101", "-1", "1.5", "", " 1", "ten", "1e1", "٣", "9" * 5000)],
        *[("trip_id", text) for text in ("0", "-1", "1.0", "", "x", "9223372036854775808", "１", "9" * 5000)],
        *[("status", text) for text in ("", "PAID", "SUCCESS,FAILED", "ſuccess", "\0")],
        *[("method", text) for text in ("", "CHEQUE", "upı", "CARD ", "caſh")],
        *[("from", text) for text in ("", "now", "2026-11-22", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z")],
        *[("to", text) for text in ("2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z", "2026-11-22T12:00:00+25:00")],
        *[
            ("to", text)
            for text in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "infinity", "٢٠٢٦-11-22T12:00:00Z")
        ],
        *[("cursor", text) for text in ("", "x", "é", "====", "AAAA", "a b", "\0", "A" * 5000)],
    ],
)
def test_a_wrong_parameter_is_named(name: str, text: str) -> None:
    assert list(faults((name, text))) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "2026-11-22T12:00:00+00:00",
        "2026-11-22T12:00:00 5",
        "infinity 5",
        "2026-11-22T12:00:00+00:00 9223372036854775808",
        "2026-11-22T12:00:00+00:00 -5",
        "2026-11-22T12:00:00+00:00 5 5",
        "0001-01-01T00:00:00+05:00 5",
        "2026-11-22T12:00:00+00:00 ５",
        b"\xff\xfe 5",
    ],
)
def test_a_cursor_that_was_made_up_is_refused(text: str | bytes) -> None:
    assert list(faults(("cursor", cursor(text)))) == ["cursor"]


@pytest.mark.parametrize("moment", ["2026-W47-7T00:00:00+00:00", "20261122T120000Z", "2026-01-01T00:00:00+23:59"])
def test_a_cursor_reaches_the_database_only_in_a_spelling_it_knows(moment: str) -> None:
    page = read_page([("cursor", cursor(f"{moment} 5"))])
    assert page.before == datetime.fromisoformat(moment).astimezone(UTC).isoformat()


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1), timezones=ZONES),
    st.integers(1, 2**63 - 1),
    st.integers(1, 100),
)
def test_the_cursor_behind_a_row_leads_right_behind_it(created_at: datetime, row_id: int, limit: int) -> None:
    given_out = Page().cursor_behind({"created_at": created_at, "payment_id": row_id}, "payment_id")
    page = read_page([("cursor", given_out), ("limit", str(limit))])
    assert (datetime.fromisoformat(page.before), page.before_id, page.limit) == (created_at, row_id, limit)
    assert given_out.replace("-", "").replace("_", "").isalnum()


def test_every_fault_is_named_at_once() -> None:
    found = faults(("limit", "0"), ("page", "2"), ("status", "x"), ("trip_id", "1"), ("trip_id", "1"))
    assert found["page"] == "is not a parameter of this address"
    assert found["trip_id"] == "is given twice"
    assert set(found) == {"limit", "page", "status", "trip_id"}


@pytest.mark.parametrize("name", ["trip_id", "status", "method", "from", "to", "sort"])
def test_a_list_without_filters_takes_only_a_page(name: str) -> None:
    assert faults((name, "1"), read=read_page) == {name: "is not a parameter of this address"}


@pytest.mark.parametrize("name", ["limit", "cursor", "x", ""])
def test_an_address_without_parameters_takes_none(name: str) -> None:
    assert faults((name, "1"), read=refuse_parameters) == {name: "is not a parameter of this address"}
    refuse_parameters([])


@given(
    st.lists(
        st.tuples(st.sampled_from(["from", "to", "cursor", "limit", "trip_id", "status", "method"]), st.text()),
        max_size=2,
    )
)
def test_any_text_is_read_or_refused_and_nothing_else(parameters: list[tuple[str, str]]) -> None:
    with suppress(Problem):
        read_payment_query(parameters)
