"""What needs attention: each kind, that nothing of it is missed or made up, and that all is well where nothing is."""

from typing import Any

import pytest

from shared.reading import attention
from shared.web.access.caller import Caller
from tests.functions.console.conftest import Shown, Visitor
from tests.sql.rows import a_dispute, a_key, a_movement, a_payment, a_reconciliation, a_refund, an_event
from tests.support.cluster import Place

PAGE = "/console/attention"
REFUSED: dict[str, Any] = {"attempts": 6, "refusals": 5, "refusal": "the sink said 422"}
REFUSED |= {"refused_at": "now", "next_attempt_at": "infinity"}
OLD = {"created_at": "2020-01-01Z"}


@pytest.fixture(autouse=True)
def sends_events(visitor: Visitor) -> None:
    visitor.till.change(k_sink="http://sink.example/")


def pending(place: Place, age: str, **more: Any) -> int:
    at = place.sql.value(f"SELECT now() - interval '{age}'")
    payment_id = a_payment(place.sql, status="PENDING", created_at=at, **more)
    a_key(place.sql, payment_id, created_at=at, asked=4)
    return payment_id


def note(place: Place, payment_id: int, age: str = "0 s", **more: Any) -> None:
    at = place.sql.value(f"SELECT now() - interval '{age}'")
    entry = {"actor": "sweep", "action": "contradiction", "payment_id": payment_id, "outcome": "succeeded", "at": at}
    entry |= {"reason": "stored as FAILED, card_declined", "gateway_said": "paid as pi_9", "gateway_id": "pi_9"} | more
    names = ", ".join(entry)
    place.sql.run(f"INSERT INTO audit_log ({names}) VALUES ({', '.join(f'%({name})s' for name in entry)})", entry)


def counted(visitor: Visitor) -> str:
    return visitor.get(f"{PAGE}/count").text


def has(page: Shown, heading: str) -> bool:
    return heading in page.text


def test_all_is_well_where_nothing_is_wrong(visitor: Visitor, place: Place) -> None:
    pending(place, "50 s")
    a_payment(place.sql)
    an_event(place.sql, "just-now")
    an_event(place.sql, "long-ago", delivered_at="now", **OLD)
    page = visitor.get(PAGE)
    assert "All is well." in page.text
    assert not page.all("table")
    assert counted(visitor) == ""


def test_what_is_pending_for_longer_than_a_minute_is_listed_oldest_first(visitor: Visitor, place: Place) -> None:
    late = pending(place, "70 s", amount="36.50", gateway="stripe")
    later = pending(place, "3 hours")
    refunded = a_payment(place.sql)
    refund = a_refund(place.sql, refunded, status="PENDING", reference="REF-late")
    at = place.sql.value("SELECT now() - interval '2 min'")
    a_key(place.sql, refunded, refund_id=refund, created_at=at)
    place.sql.run("UPDATE payment_refunds SET created_at = %s", (at,))
    page = visitor.get(PAGE)
    assert has(page, "3 charges and refunds pending for longer than a minute")
    assert "3 hours 4 times" in page.text
    assert "₹36.50 Stripe" in page.text
    assert f"refund of payment {refunded}" in page.text
    links = [each for each in page.links if each.startswith("/console/payments/")]
    assert links == [f"/console/payments/{payment_id}" for payment_id in (later, refunded, late)]
    assert "/console/settle/REF-late" in page.links
    assert counted(visitor).startswith("3 ")


def test_only_who_may_settle_by_hand_is_led_there(visitor: Visitor, place: Place) -> None:
    pending(place, "1 hour")
    visitor.caller = Caller("https://issuer.example", "asha", frozenset({"payments:read"}))
    assert not [each for each in visitor.get(PAGE).links if "settle" in each]
    visitor.caller = visitor.caller._replace(permissions=frozenset({"payments:read", "payments:settle"}))
    assert [each for each in visitor.get(PAGE).links if "settle" in each]


def test_events_that_were_refused_say_why_and_what_to_do(visitor: Visitor, place: Place) -> None:
    an_event(place.sql, "PAY-1.succeeded", subject="payments/351", **OLD, **REFUSED)
    page = visitor.get(PAGE)
    assert has(page, "1 event was refused for good")
    assert "5 times the sink said 422 Payment 351" in page.text
    assert "make events RESEND=" in page.text
    assert "/console/payments/351" in page.links
    assert "not delivered for" not in page.text
    assert counted(visitor).startswith("1 ")


def test_events_that_are_not_delivered_say_since_when_and_how_often(visitor: Visitor, place: Place) -> None:
    at = place.sql.value("SELECT now() - interval '5 min'")
    an_event(place.sql, "failed", attempts=3, created_at=at, next_attempt_at="infinity")
    an_event(place.sql, "untried", created_at=at, next_attempt_at=at)
    an_event(place.sql, "young", attempts=1)
    page = visitor.get(PAGE)
    assert has(page, "2 events not delivered for longer than a minute")
    assert "failed 5 minutes 3 times the sink did not take it" in page.text
    assert "untried 5 minutes 0 times not sent yet" in page.text
    assert "young" not in page.text
    assert counted(visitor).startswith("2 ")
    visitor.till.change(k_sink="")
    assert "K_SINK is not set" in visitor.get(PAGE).text


def declined(place: Place, age: str, settled: int, failed: int) -> None:
    place.sql.run(
        "INSERT INTO payments (trip_id, amount, currency, method, status, failure_code, reference, created_at)"
        " SELECT 1, 1, 'INR', 'CARD', CASE WHEN n <= %(failed)s THEN 'FAILED' ELSE 'SUCCESS' END,"
        " CASE WHEN n <= %(failed)s THEN 'card_declined' END, 'PAY-' || gen_random_uuid(), now() - %(age)s::interval"
        " FROM generate_series(1, %(settled)s) AS n",
        {"settled": settled, "failed": failed, "age": age},
    )


@pytest.mark.parametrize(
    ("hour", "day", "rises"),
    [
        ((50, 25), (100, 5), True),
        ((50, 10), (100, 10), True),
        ((50, 9), (100, 0), False),
        ((50, 15), (100, 20), False),
        ((200, 12), (100, 2), False),
        ((50, 25), (0, 0), True),
        ((0, 0), (100, 50), False),
    ],
    ids=["ten times", "twice", "too few", "one and a half times", "within five per cent", "of a first day", "none"],
)
def test_declines_that_rise_are_told_with_both_shares(
    visitor: Visitor, place: Place, hour: tuple[int, int], day: tuple[int, int], rises: bool
) -> None:
    declined(place, "30 min", *hour)
    declined(place, "5 hours", *day)
    declined(place, "30 hours", 100, 100)
    page = visitor.get(PAGE)
    assert has(page, "Declines are rising") is rises
    if rises:
        assert f"({hour[1]} of the newest {hour[0]}); of the day before" in page.text
        assert f"({day[1]} of {day[0]})" in page.text


def test_differences_are_listed_newest_first_with_both_sides(visitor: Visitor, place: Place) -> None:
    first, second = (a_payment(place.sql, status="FAILED", failure_code="card_declined") for _ in range(2))
    note(place, first, "2 days")
    note(place, second, gateway_said="<b>paid</b>")
    page = visitor.get(PAGE)
    assert has(page, "2 differences found")
    assert [each for each in page.links if each.startswith("/console/payments/")] == [
        f"/console/payments/{second}",
        f"/console/payments/{first}",
    ]
    assert "stored as FAILED, card_declined <b>paid</b> pi_9" in page.text
    assert not page.all("b")
    assert counted(visitor).startswith("2 ")


def disputed(place: Place, due: str | None, **more: Any) -> int:
    at = place.sql.value(f"SELECT now() + interval '{due}'") if due else None
    return a_dispute(place.sql, a_payment(place.sql), evidence_due_by=at, **more)


def test_disputes_that_are_not_decided_are_listed_those_first_whose_evidence_is_due_next(
    visitor: Visitor, place: Place
) -> None:
    disputed(place, None)
    disputed(place, "-1 hour", reason="<b>fraud</b>")
    disputed(place, "3 days", amount="36.50", reason="product_not_received")
    disputed(place, "2 hours 5 minutes", status="INQUIRY")
    disputed(place, "1 hour", status="LOST")
    page = visitor.get(PAGE)
    assert has(page, "4 disputes are not decided")
    assert [each for each in page.links if each.startswith("/console/payments/")] == [
        f"/console/payments/{payment_id}" for payment_id in (4, 3, 2, 1)
    ]
    assert "₹36.50 in 3 days Open product_not_received" in page.text
    assert "₹10.00 in 2 hours Inquiry not said" in page.text
    assert "₹10.00 no more Open <b>fraud</b>" in page.text
    assert "₹10.00 not said Open not said" in page.text
    assert not page.all("b")
    assert counted(visitor).startswith("2 ")


def test_reconciliations_that_found_differences_are_listed_and_lead_to_them(visitor: Visitor, place: Place) -> None:
    differs = a_reconciliation(place.sql, from_at="2026-11-26Z", to_at="2026-11-27Z", differences=2, movements=9)
    for name in ("txn_1", "txn_2"):
        a_movement(place.sql, differs, name)
    a_movement(place.sql, a_reconciliation(place.sql, gateway="other"), "txn_3", verdict="not_yet_due")
    page = visitor.get(PAGE)
    assert has(page, "1 reconciliation found differences")
    assert "26 Nov 2026 Stripe 2" in page.text
    assert f"/console/reconciliation/{differs}" in page.links
    assert not has(page, "All is well.")
    assert counted(visitor).startswith("1 ")


def test_a_dispute_that_nobody_can_do_anything_about_is_listed_and_does_not_count(
    visitor: Visitor, place: Place
) -> None:
    disputed(place, "-1 hour")
    page = visitor.get(PAGE)
    assert has(page, "All is well.")
    assert has(page, "1 dispute is not decided")
    assert counted(visitor) == ""


def test_a_difference_of_long_ago_is_still_listed_and_does_not_count(visitor: Visitor, place: Place) -> None:
    note(place, a_payment(place.sql, status="FAILED", failure_code="card_declined"), "8 days")
    page = visitor.get(PAGE)
    assert has(page, "All is well.")
    assert has(page, "1 difference found")
    assert counted(visitor) == ""


def test_what_is_counted_ends_somewhere(visitor: Visitor, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "MOST_COUNTED", 3)
    monkeypatch.setattr("functions.console.attention.MOST_COUNTED", 3)
    monkeypatch.setattr("functions.console.attention.MOST", 3)
    monkeypatch.setattr(attention, "MOST", 3)
    for number in range(4):
        an_event(place.sql, f"refused-{number}", **OLD, **REFUSED)
    assert counted(visitor).startswith("3+")
    assert has(visitor.get(PAGE), "At least 3 events were refused")


def test_the_page_refreshes_the_part_of_it_that_changes(visitor: Visitor) -> None:
    [live] = [each for each in visitor.get(PAGE).all("div") if "hx-get" in each]
    assert (live["hx-get"], live["hx-trigger"]) == (PAGE, "every 10s")
    part = visitor.get(PAGE, {"HX-Request": "true"})
    assert (part.status, part.all("html")) == (200, [])
    assert [each for each in part.all("div") if "hx-get" in each]
