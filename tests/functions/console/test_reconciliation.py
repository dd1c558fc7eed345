"""Reconciliation: which times were compared, what differs in each, and where that leads."""

from datetime import datetime, timedelta

import pytest

from shared.reading import reconciliation
from tests.functions.console.conftest import Visitor
from tests.sql.rows import a_movement, a_payment, a_reconciliation, a_refund
from tests.support.cluster import Place

PAGE = "/console/reconciliation"
NOT_DONE = {"phase": "gateway", "finished_at": None, "movements": None, "differences": None, "not_yet_due": None}


def test_times_that_were_compared_are_listed_the_latest_first(visitor: Visitor, place: Place) -> None:
    assert "Nothing has been reconciled" in visitor.get(PAGE).text
    day = {"from_at": "2026-11-26Z", "to_at": "2026-11-27Z"}
    month = {"from_at": "2026-11-01Z", "to_at": "2026-12-01Z"}
    hours = {"from_at": "2026-11-20T06:00Z", "to_at": "2026-11-20T09:00Z"}
    first = a_reconciliation(place.sql, **day, phase="books", movements=1204, differences=1)
    second = a_reconciliation(place.sql, **month, **NOT_DONE, working_until="tomorrow")
    third = a_reconciliation(place.sql, **hours, **NOT_DONE, working_until="yesterday")
    last = a_reconciliation(place.sql, **hours, gateway="other", movements=9, differences=0)
    page = visitor.get(PAGE)
    assert [each for each in page.links if each.startswith(f"{PAGE}/")] == [
        f"{PAGE}/{each}" for each in (second, first, last, third)
    ]
    assert "1 Nov 2026 – 30 Nov 2026 Stripe, acct_1/live Under way – begun" in page.text
    assert "26 Nov 2026 Stripe, acct_1/live 1 difference Stopped again 1,204" in page.text
    assert "20 Nov 2026, 6:00 AM UTC – 20 Nov 2026, 9:00 AM UTC Other, acct_1/live Nothing differs 9" in page.text
    assert "Stripe, acct_1/live Stopped – begun" in page.text


def test_a_difference_says_what_each_side_says_and_leads_to_both(visitor: Visitor, place: Place) -> None:
    payment_id = a_payment(place.sql)
    refund_id = a_refund(place.sql, payment_id)
    done = a_reconciliation(place.sql, gateway="scripted", movements=5, differences=4, run=2)
    a_movement(place.sql, done, "txn_1", charge_id="pi_1", reference="PAY-lost", why="<b>lost</b>")
    amounts = {"their_amount": "-36.50", "our_amount": "-30.00", "our_status": "REFUNDED"}
    of_refund = {"payment_id": payment_id, "refund_id": refund_id, "kind": "refund"}
    a_movement(place.sql, done, "txn_2", verdict="amount_differs", **amounts, **of_refund)
    ours = {"their_amount": None, "their_status": None, "our_amount": "100.00", "our_status": "SUCCESS"}
    a_movement(place.sql, done, "ours 7", verdict="missing_there", payment_id=payment_id, **ours)
    a_movement(place.sql, done, "txn_3", kind="other", object_id=None, charge_id=None, their_status=None)
    a_movement(place.sql, done, "txn_4", verdict="matched")
    page = visitor.get(f"{PAGE}/{done}")
    assert "Amount differs 1 Compare the charge" in page.text
    assert "Missing here 2 The gateway moved it" in page.text
    assert "2 times by now" in page.text
    assert "Missing here <b>lost</b> ₹150.00 succeeded nothing PAY-lost the books have it not" in page.text
    assert "Amount differs -₹36.50 succeeded -₹30.00 REFUNDED A refund of payment" in page.text
    assert "Missing there nothing ₹100.00 SUCCESS Payment" in page.text
    assert "₹150.00 nothing nothing of ours" in page.text
    assert "txn_4" not in page.html
    assert not page.all("b")
    assert f"/console/payments/{payment_id}" in page.links
    assert "https://dashboard.example/charges/pi_1" in page.links


def test_differences_come_page_by_page(visitor: Visitor, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "SHOWN", 2)
    done = a_reconciliation(place.sql, movements=3, differences=3)
    for name in ("ours 7", "txn_1", "txn_2"):
        a_movement(place.sql, done, name)
    first = visitor.get(f"{PAGE}/{done}")
    second = visitor.get(first.links[-1])
    assert [name in first.html for name in ("ours 7", "txn_1", "txn_2")] == [True, True, False]
    assert [name in second.html for name in ("ours 7", "txn_1", "txn_2")] == [False, False, True]
    assert second.links[-1] == f"{PAGE}/{done}"


def test_times_come_page_by_page(visitor: Visitor, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "SHOWN", 1)
    day = datetime.fromisoformat("2026-11-24T00:00Z")
    ids = [a_reconciliation(place.sql, from_at=day + timedelta(n - 1), to_at=day + timedelta(n)) for n in range(2)]
    first = visitor.get(PAGE)
    second = visitor.get(first.links[-1])
    assert (f"{PAGE}/{ids[1]}" in first.links, f"{PAGE}/{ids[0]}" in first.links) == (True, False)
    assert (f"{PAGE}/{ids[1]}" in second.links, f"{PAGE}/{ids[0]}" in second.links) == (False, True)
    assert second.links[-1] == PAGE


def test_the_file_has_every_movement_and_is_of_what_came_to_its_end(
    visitor: Visitor, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "AT_ONCE", 2)
    done = a_reconciliation(place.sql, movements=3, differences=1)
    for name, verdict in (("txn_1", "matched"), ("txn_2", "missing_here"), ("txn_3", "not_yet_due")):
        a_movement(place.sql, done, name, verdict=verdict, why="=cmd()")
    address = f"{PAGE}/{done}/csv"
    assert address in visitor.get(f"{PAGE}/{done}").links
    file = visitor.ask_for(address)
    lines = b"".join(file.body).decode().splitlines()  # type: ignore[arg-type]
    assert lines[0].startswith("gateway,movement,kind,at,verdict,why,")
    assert [line.split(",")[1] for line in lines[1:]] == ["txn_1", "txn_2", "txn_3"]
    assert ",missing_here,'=cmd()," in lines[2]
    assert file.headers["Content-Disposition"].startswith(f'attachment; filename="reconciliation-{done}-as-of-')
    for changes in (NOT_DONE, {"movements": 50_001}):
        other = a_reconciliation(place.sql, gateway=str(changes["movements"]), **changes)
        assert f"{PAGE}/{other}/csv" not in visitor.get(f"{PAGE}/{other}").links
        assert visitor.get(f"{PAGE}/{other}/csv").status == 404


def test_where_nothing_differs_it_says_so(visitor: Visitor, place: Place) -> None:
    assert "and the other way round" in visitor.get(f"{PAGE}/{a_reconciliation(place.sql)}").text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/7", 404),
        ("/x", 404),
        ("/99999999999999999999", 404),
        ("?cursor=x", 400),
        ("?page=2", 400),
        ("/7?behind=%00", 400),
    ],
)
def test_what_is_no_page_is_refused(visitor: Visitor, address: str, status: int) -> None:
    assert visitor.get(PAGE + address).status == status
