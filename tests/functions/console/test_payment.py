"""A payment's page: its story, what we and its gateway say, and what may be done with it."""

import json
import re

import pytest

from shared.gateways.protocol import Declined, NextAction, Unknown, Waiting
from shared.web.access.caller import Caller
from tests.functions.console.conftest import Visitor
from tests.shared.reading.test_payment_events import paid_late
from tests.sql.rows import a_dispute, a_payment, a_refund, an_entry, insert, move
from tests.support.cluster import Place
from tests.support.hostile import BIDI, MARKUP, SCHEME
from tests.support.till import Till, shown

BY_SCRIPT = {"HX-Request": "true"}


def test_the_story_of_a_payment_and_its_refund_is_told_in_order(visitor: Visitor, till: Till, payment_id: int) -> None:
    till.refund(payment_id, "50.00", metadata={"reason": "Late"})
    page = visitor.get(f"/console/payments/{payment_id}")
    assert page.status == 200
    told = [
        "Asked for: ₹150.00",
        "Scripted was asked to charge: succeeded",
        "Charged: ₹150.00",
        "Asked for: ₹50.00 to be given back",
        "Reason Late",
        "Scripted was asked to give back: succeeded",
        "Given back: ₹50.00",
    ]
    text = page.text.replace("Reason", "Reason ")
    places = [text.find(each) for each in told]
    assert places == sorted(places)
    assert -1 not in places
    assert "₹50.00 of it was given back" in page.text


def test_a_refund_of_the_gateways_own_pages_that_came_back_says_both(
    visitor: Visitor, place: Place, payment_id: int
) -> None:
    a_refund(place.sql, payment_id, status="REVERSED", failure_code="insufficient_funds", source="gateway")
    text = visitor.get(f"/console/payments/{payment_id}").text
    for told in ("Entered: ₹10.00", "Given back: ₹10.00", "Came back: ₹10.00", "Made at the gateway"):
        assert told in text


def test_a_dispute_is_told_of_and_marked_while_it_is_open(visitor: Visitor, place: Place, payment_id: int) -> None:
    dispute_id = a_dispute(place.sql, payment_id, amount="50.00", reason="fraudulent")
    page = visitor.get(f"/console/payments/{payment_id}")
    assert "Charged Disputed" in page.text
    assert "Disputed: ₹50.00" in page.text
    move(place.sql, "payment_disputes", {"dispute_id": dispute_id}, {"status": "WON", "closed_at": "now"})
    page = visitor.get(f"/console/payments/{payment_id}")
    assert "Charged Disputed" not in page.text
    assert page.text.find("Disputed: ₹50.00") < page.text.find("Dispute won: ₹50.00")


@pytest.mark.parametrize(("amount", "offered"), [("149.99", True), ("150.00", False)])
def test_a_lost_dispute_is_marked_and_nothing_is_offered_of_what_the_bank_keeps(
    visitor: Visitor, place: Place, payment_id: int, amount: str, offered: bool
) -> None:
    a_dispute(place.sql, payment_id, amount=amount, status="LOST", closed_at="now")
    page = visitor.get(f"/console/payments/{payment_id}")
    assert "Charged Dispute lost" in page.text
    assert ("Refund…" in page.text) is offered


def test_its_entries_in_the_ledger_are_shown_newest_first_with_both_sides(visitor: Visitor, place: Place) -> None:
    payment_id = a_payment(place.sql, status="FAILED", driver_id="drv-17")
    told = visitor.get(f"/console/payments/{payment_id}").text
    assert "In the ledger" not in told
    assert "Driverdrv-17" in told
    an_entry(place.sql, payment_id, "charge", gateway_receivable="100", revenue="-20", drivers_payable="-80")
    an_entry(place.sql, payment_id, "refund 9", refunds="10", gateway_receivable="-10")
    text = visitor.get(f"/console/payments/{payment_id}").text.partition("In the ledger")[2]
    assert "Refund refund 9 Refunds ₹10.00 With the gateway ₹10.00" in text
    assert "Charge With the gateway ₹100.00 Revenue ₹20.00 Owed to drivers ₹80.00" in text
    assert text.index("refund 9") < text.index("Charge With")


def test_what_the_gateway_said_by_itself_is_there_word_for_word(
    visitor: Visitor, till: Till, place: Place, payment_id: int
) -> None:
    till.refund(payment_id, "50.00")
    a_dispute(place.sql, payment_id, gateway_id="du_1")
    charge, refund = (place.sql.value(f"SELECT gateway_id FROM {each}") for each in ("payments", "payment_refunds"))
    said = {"gateway": "scripted", "said": json.dumps({"id": "x", "note": MARKUP, "nul": "\0"})}
    for name, about in {
        "of the charge": {"object_id": charge, "source": "webhook", "event_id": "evt_1"},
        "of the refund": {"object_id": refund, "source": "list", "event_id": "evt_2"},
        "read of the dispute": {"object_id": "du_1", "charge_id": charge, "source": "read"},
        "of another": {"object_id": "pi_other", "source": "read"},
        "of another gateway": {"object_id": charge, "source": "read", "gateway": "stripe"},
    }.items():
        insert(place.sql, "gateway_said", said | about | {"type": name})
    page = visitor.get(f"/console/payments/{payment_id}")
    told = page.text.partition("What the gateway said by itself")[2]
    assert re.findall(r"(?:read )?of the \w+ (?:by webhook|in its list of events|when it was read)", told) == [
        "read of the dispute when it was read",
        "of the refund in its list of events",
        "of the charge by webhook",
    ]
    assert "of another" not in told
    assert json.dumps(MARKUP) in told
    assert len(page.all("script")) == 1
    assert not visitor.get(f"/console/payments/{payment_id}", BY_SCRIPT).all("pre")


def test_what_others_wrote_stays_text(visitor: Visitor, till: Till, place: Place) -> None:
    hostile = f"{MARKUP}{SCHEME}{BIDI}"
    payment_id = shown(till.pay(metadata={hostile: hostile, "nested": {"a": [hostile]}}))["payment_id"]
    till.refund(payment_id, "5.00", metadata={"reason": hostile})
    page = visitor.get(f"/console/payments/{payment_id}")
    assert page.text.count("document.title='owned'") > 4
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes)
    assert all(link.startswith(("/console", "#main", "https://dashboard.example/")) for link in page.links)


def test_a_decline_is_told_in_words_and_by_its_code(visitor: Visitor, till: Till) -> None:
    till.gateway.next(Declined("insufficient_funds"))
    till.pay()
    page = visitor.get("/console/payments/1")
    assert "Failed There is not enough money on it (insufficient_funds)." in page.text
    assert not any("refund" in link or "receipt" in link for link in page.links)


def test_a_pending_payment_is_looked_for_until_it_is_settled(visitor: Visitor, till: Till) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    page = visitor.get("/console/payments/1")
    [address] = [str(each["hx-get"]) for each in page.all("div") if "hx-get" in each]
    assert "/console/payments/1" in page.links
    assert visitor.get(address, BY_SCRIPT).status == 204
    till.pay(key="k")
    part = visitor.get(address, BY_SCRIPT)
    assert part.text.startswith("Charged")
    assert "It is settled: charged." in part.text
    assert "hx-get" not in part.html
    assert "<html" not in part.html


def test_asking_again_leads_back_to_what_the_gateway_said(visitor: Visitor, till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay()
    visitor.caller = Caller("https://issuer.example", "asha", frozenset({"payments:read"}))
    answer = visitor.post("/console/payments/1/ask", refund_id="")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/payments/1?asked=yes")
    page = visitor.get(answer.headers["Location"])
    assert "Scripted was asked again and says: Succeeded." in page.text
    assert visitor.caller.name in page.text
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"


def test_that_it_waits_for_its_customer_is_shown_and_not_what_they_are_to_do(visitor: Visitor, till: Till) -> None:
    action = NextAction("redirect", client_secret="s3cr3t-of-the-charge", url="https://bank.example/s3cr3t")
    till.gateway.next(Waiting(action, "pi_1"))
    till.gateway.finding = Waiting(action, "pi_1")
    assert "s3cr3t" in till.pay(customer_present=True).body
    page = visitor.get("/console/payments/1")
    assert "Scripted was asked to charge: waits for the customer" in page.text
    assert "Waits for the customer" in page.text
    assert "each waits for its customer" in visitor.get("/console").text
    seen = [page.html, *(visitor.get(path).html for path in ("/console/payments/1/json", "/console/payments"))]
    assert not any("s3cr3t" in each for each in seen)


def test_a_refund_is_asked_about_by_itself(visitor: Visitor, till: Till, payment_id: int) -> None:
    refund_id = shown(till.refund(payment_id, "5.00"))["refund_id"]
    visitor.post(f"/console/payments/{payment_id}/ask", refund_id=str(refund_id))
    assert till.gateway.verbs()[-1] == "find_refund"
    assert visitor.post(f"/console/payments/{payment_id}/ask", refund_id="x").status == 400
    assert visitor.post(f"/console/payments/{payment_id}/ask", refund_id="77").status == 404


def test_asking_while_somebody_asks_says_so(visitor: Visitor, till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay()
    place.sql.run("UPDATE idempotency_keys SET locked_at = clock_timestamp()")
    answer = visitor.post("/console/payments/1/ask", refund_id="")
    assert "It was not asked again" in visitor.get(answer.headers["Location"]).text


@pytest.mark.parametrize("late_payment", ["refund", "adopt"])
def test_what_was_paid_late_is_told_with_what_became_of_it(visitor: Visitor, till: Till, late_payment: str) -> None:
    till.change(late_payment=late_payment)
    payment_id = paid_late(till)
    page = visitor.get(f"/console/payments/{payment_id}")
    told = ["Asked for: ₹150.00", "Not charged", "The gateway contradicts what is stored", "paid after it had failed"]
    if late_payment == "refund":
        told += ["To be given back: ₹150.00", "was asked to give back: succeeded", "Given back: ₹150.00"]
        assert "It was paid late, all the same: see its refund." in page.text
        assert "Of a charge that was paid late" in page.text
    else:
        told += ["Paid late, and adopted: ₹150.00", "Charged: ₹150.00"]
        assert "It had failed, was paid late, and is adopted." in page.text
    places = [page.text.find(each) for each in told]
    assert places == sorted(places)
    assert -1 not in places
    assert "Disagrees" not in page.text
    assert ", and paid later" in page.text
    found = visitor.get("/console/attention").text
    assert "Paid late, and put right since" in found
    assert "All of it was put right since." in found
    assert "A person decides" not in found


def test_a_gateway_that_says_otherwise_is_marked(visitor: Visitor, till: Till, payment_id: int) -> None:
    till.gateway.finding = Declined("card_declined")
    visitor.post(f"/console/payments/{payment_id}/ask", refund_id="")
    page = visitor.get(f"/console/payments/{payment_id}")
    assert "Declined (card_declined) Disagrees" in page.text
    assert "The gateway contradicts what is stored" in page.text


def test_the_json_is_what_the_api_gives(visitor: Visitor, till: Till, payment_id: int) -> None:
    answer = visitor.get(f"/console/payments/{payment_id}/json").answer
    assert answer.content_type == "application/json"
    assert answer.body == till.database.one("payment", payment_id=payment_id, to_act_on=True)["shown"]  # type: ignore[index]


def test_nobody_sees_what_he_may_not_do(visitor: Visitor, till: Till, payment_id: int) -> None:
    till.gateway.next(Unknown("time-out"))
    pending = shown(till.pay(trip_id=102))
    refund, settle = f"/console/payments/{payment_id}/refund", f"/console/settle/{pending['reference']}"

    def offered() -> set[str]:
        links = visitor.get(f"/console/payments/{payment_id}").links
        return {refund, settle} & {*links, *visitor.get(f"/console/payments/{pending['payment_id']}").links}

    assert offered() == {refund, settle}
    for permissions, links in (((), set()), (("refunds:write",), {refund}), (("payments:settle",), {settle})):
        visitor.caller = Caller("https://issuer.example", "asha", frozenset(("payments:read", *permissions)))
        assert offered() == links


def test_a_row_of_the_history_has_nobody_to_ask(visitor: Visitor, place: Place) -> None:
    payment_id = a_payment(place.sql, status="SUCCESS", gateway=None)
    page = visitor.get(f"/console/payments/{payment_id}")
    assert "Loaded as history" in page.text
    assert "Ask again now" not in page.text
    assert f"/console/payments/{payment_id}/refund" not in page.links


@pytest.mark.parametrize("payment_id", ["77", "0", "x", "9" * 40])
def test_no_payment_has_no_page(visitor: Visitor, payment_id: str) -> None:
    for address in (payment_id, f"{payment_id}/refund", f"{payment_id}/receipt"):
        assert visitor.get(f"/console/payments/{address}").status in (303, 404)
    page = visitor.get(f"/console/payments/{payment_id}")
    assert (page.status, "correlation id" in page.text) == (404, True)
    assert json.loads(visitor.get(f"/console/payments/{payment_id}/json").html)["code"] == "payment_not_found"


def test_a_receipt_is_a_page_and_a_pdf_where_it_is_asked_for(visitor: Visitor, payment_id: int) -> None:
    address = f"/console/payments/{payment_id}/receipt"
    assert "₹150.00" in visitor.get(address).text
    answers = visitor.ask_for(f"{address}?format=pdf"), visitor.ask_for(address, {"Accept": "application/pdf"})
    assert {answer.content_type for answer in answers} == {"application/pdf"}
    assert visitor.get(f"{address}?format=docx").status == 400
