"""Refunds in the console: one for each form, whatever is clicked, and every outcome in words."""

import uuid
from decimal import Decimal

import pytest

from shared.gateways.protocol import Declined, Outcome, Unknown
from tests.functions.console.conftest import Shown, Visitor
from tests.support.cluster import Place
from tests.support.hostile import MARKUP
from tests.support.till import Till, a_caller, shown

WRONG_AMOUNTS = (
    ("", "The amount is required"),
    ("0", "The amount must be a number above 0"),
    ("-5", "The amount must be a number above 0"),
    ("1.005", "with at most two decimals"),
    ("1e3", "The amount must be a number"),
    ("NaN", "The amount must be a number"),
    ("9" * 60, "The amount must be a number"),
    ("1,50", "The amount must be a number"),
    ("\N{ARABIC-INDIC DIGIT ONE}", "The amount must be a number"),
    ("150.01", "The amount exceeds the 150.00 that is left"),
    (MARKUP, "The amount must be a number"),
)


def confirmed(visitor: Visitor, payment_id: int, amount: str = "50.00", reason: str = "", form: str = "") -> Shown:
    """The confirmation of a form."""
    form = form or str(uuid.uuid4())
    address = f"/console/payments/{payment_id}/refund/confirm?form={form}&amount={amount}&reason={reason}"
    return visitor.get(address)


def sent(visitor: Visitor, payment_id: int, **fields: str) -> Shown:
    return visitor.post(f"/console/payments/{payment_id}/refund", **fields)


def result(visitor: Visitor, answer: Shown) -> Shown:
    assert answer.status == 303, answer.text
    return visitor.get(answer.headers["Location"])


def given_back(place: Place) -> list[Decimal]:
    rows = place.sql.run("SELECT amount FROM payment_refunds WHERE status = 'REFUNDED' ORDER BY refund_id")
    return [row["amount"] for row in rows]


def test_a_form_has_a_key_of_its_own_in_its_address(visitor: Visitor, payment_id: int) -> None:
    places = {visitor.get(f"/console/payments/{payment_id}/refund").headers["Location"] for _ in range(2)}
    assert len(places) == 2
    form = visitor.get(places.pop())
    assert form.status == 200
    assert form.fields["amount"] == "150.00"
    assert "₹150.00 is left of ₹150.00" in form.text


def test_a_part_is_refunded_once_it_is_confirmed_and_not_before(
    visitor: Visitor, till: Till, place: Place, payment_id: int
) -> None:
    page = confirmed(visitor, payment_id, reason="Late")
    assert "Refund ₹50.00?" in page.text
    assert "₹100.00 stays" in page.text
    assert till.gateway.refunded == {}
    assert "Refunded ₹50.00 was given back" in result(visitor, sent(visitor, payment_id, **page.fields)).text
    assert given_back(place) == [Decimal("50.00")]
    assert place.sql.value("SELECT reason FROM payment_refunds") == "Late"


def test_all_that_is_left_is_what_the_form_offers(visitor: Visitor, till: Till, payment_id: int) -> None:
    till.refund(payment_id, "50.00")
    form = visitor.get(visitor.get(f"/console/payments/{payment_id}/refund").headers["Location"])
    page = confirmed(visitor, payment_id, form.fields["amount"], form=form.fields["form"])
    assert "all that is left" in page.text
    assert "₹100.00 was given back" in result(visitor, sent(visitor, payment_id, **page.fields)).text
    again = visitor.get(f"/console/payments/{payment_id}/refund?form={uuid.uuid4()}")
    assert (again.status, f"Payment {payment_id} is REFUNDED" in again.text) == (409, True)


def test_a_double_click_a_reload_and_the_back_button_refund_once(
    visitor: Visitor, till: Till, place: Place, payment_id: int
) -> None:
    fields = confirmed(visitor, payment_id).fields
    places = {sent(visitor, payment_id, **fields).headers["Location"] for _ in range(3)}
    assert len(places) == 1
    place_of_form = places.pop()
    for _ in range(2):
        assert "Refunded ₹50.00" in visitor.get(place_of_form).text
    assert given_back(place) == [Decimal("50.00")]
    assert till.gateway.verbs().count("refund") == 1


def test_whoever_goes_back_to_the_confirmation_is_led_to_what_came_of_it(
    visitor: Visitor, place: Place, payment_id: int
) -> None:
    fields = confirmed(visitor, payment_id).fields
    sent(visitor, payment_id, **fields)
    again = confirmed(visitor, payment_id, form=fields["form"])
    assert (again.status, again.headers["Location"]) == (
        303,
        f"/console/payments/{payment_id}/refund?form={fields['form']}",
    )
    assert given_back(place) == [Decimal("50.00")]


def test_the_same_form_with_another_amount_says_that_it_was_sent_before(
    visitor: Visitor, place: Place, payment_id: int
) -> None:
    fields = confirmed(visitor, payment_id).fields
    sent(visitor, payment_id, **fields)
    for again in (
        sent(visitor, payment_id, **fields | {"amount": "20.00"}),
        confirmed(visitor, payment_id, "20.00", form=fields["form"]),
    ):
        assert again.status == 422
        assert "This form was sent before" in again.text
        assert f"/console/payments/{payment_id}/refund?form={fields['form']}" in again.links
        assert f"/console/payments/{payment_id}/refund" in again.links
    assert given_back(place) == [Decimal("50.00")]


def test_the_key_is_the_one_that_the_api_has(visitor: Visitor, till: Till, payment_id: int) -> None:
    fields = confirmed(visitor, payment_id).fields
    sent(visitor, payment_id, **fields)
    assert till.refund(payment_id, "50.00", key=fields["form"]).headers["Idempotent-Replayed"] == "true"


def test_a_refund_is_its_callers_and_keeps_who_it_was(visitor: Visitor, place: Place, payment_id: int) -> None:
    visitor.caller = a_caller("asha")
    fields = confirmed(visitor, payment_id).fields
    answer = sent(visitor, payment_id, **fields)
    assert place.sql.value("SELECT caller FROM payment_refunds") == visitor.caller.name
    visitor.caller = a_caller("ravi")
    assert "is left of" in visitor.get(answer.headers["Location"]).text


def test_a_declined_refund_says_why_and_leads_to_a_new_form(
    visitor: Visitor, till: Till, place: Place, payment_id: int
) -> None:
    till.gateway.next(Declined("expired_or_canceled_card"))
    page = result(visitor, sent(visitor, payment_id, **confirmed(visitor, payment_id).fields))
    assert "Declined The card has expired or was cancelled (expired_or_canceled_card)" in page.text
    assert f"/console/payments/{payment_id}/refund" in page.links
    assert given_back(place) == []


def test_a_refund_that_is_not_known_yet_is_looked_for_until_it_is(
    visitor: Visitor, till: Till, payment_id: int
) -> None:
    till.gateway.next(Unknown("time-out"))
    answer = sent(visitor, payment_id, **confirmed(visitor, payment_id).fields)
    page = result(visitor, answer)
    assert "Not known yet" in page.text
    [state] = page.all("section")
    assert state["hx-trigger"] == "every 2s"
    by_script = {"HX-Request": "true"}
    assert visitor.get(str(state["hx-get"]), by_script).status == 204
    till.refund(payment_id, "50.00", key=answer.headers["Location"].rpartition("=")[2])
    part = visitor.get(str(state["hx-get"]), by_script)
    assert part.text.startswith("Refunded ₹50.00 was given back")
    assert "hx-get" not in part.html


def test_a_form_that_is_being_worked_on_says_so(visitor: Visitor, till: Till, place: Place, payment_id: int) -> None:
    till.gateway.next(Unknown("time-out"))
    fields = confirmed(visitor, payment_id).fields
    sent(visitor, payment_id, **fields)
    place.sql.run("UPDATE idempotency_keys SET locked_at = clock_timestamp() WHERE refund_id IS NOT NULL")
    assert "Being worked on" in result(visitor, sent(visitor, payment_id, **fields)).text
    assert till.gateway.verbs().count("refund") == 1


def test_a_refund_that_is_not_known_yet_is_found_behind_a_hundred_others(
    visitor: Visitor, till: Till, payment_id: int
) -> None:
    till.gateway.next(Unknown("time-out"))
    answer = sent(visitor, payment_id, **confirmed(visitor, payment_id).fields)
    for _ in range(101):
        till.refund(payment_id, "0.01")
    assert "Not known yet" in result(visitor, answer).text


def test_a_wrong_amount_is_shown_beside_its_field_and_the_form_stays_filled(
    visitor: Visitor, till: Till, payment_id: int
) -> None:
    for amount, said in WRONG_AMOUNTS:
        fields = {"form": str(uuid.uuid4()), "amount": amount, "reason": "Late & <b>wet</b>"}
        page = sent(visitor, payment_id, **fields)
        assert page.status in (400, 422)
        assert said in page.text
        assert page.fields["form"] == fields["form"]
        assert page.fields["amount"] == amount
        assert "Late & <b>wet</b>" in page.text
        assert not page.all("script")[1:]
    assert till.gateway.refunded == {}


def test_an_amount_that_the_currency_has_not_is_refused_as_by_the_api(visitor: Visitor, till: Till) -> None:
    till.change(currency="JPY")
    payment_id = shown(till.pay(amount="1500"))["payment_id"]
    page = sent(visitor, payment_id, form=str(uuid.uuid4()), amount="10.50", reason="")
    assert (page.status, "must be a multiple of 1 in JPY" in page.text) == (400, True)


def test_a_reason_is_kept_as_typed_and_at_most_500_characters(visitor: Visitor, place: Place, payment_id: int) -> None:
    page = sent(visitor, payment_id, form=str(uuid.uuid4()), amount="5", reason="x" * 501)
    assert "The reason must be a string of at most 500 characters" in page.text
    reason = f"two\nlines {MARKUP}"
    page = result(
        visitor, sent(visitor, payment_id, form=str(uuid.uuid4()), amount="5", reason=reason.replace("\n", "\r\n"))
    )
    assert place.sql.value("SELECT reason FROM payment_refunds") == reason
    assert "document.title='owned'" in page.text
    assert not page.all("script")[1:]


@pytest.mark.parametrize("outcome", [Unknown("time-out"), Declined("card_declined")])
def test_what_cannot_be_refunded_says_why(visitor: Visitor, till: Till, outcome: Outcome) -> None:
    till.gateway.next(outcome)
    till.pay()
    payment_id = 1
    for page in (
        visitor.get(f"/console/payments/{payment_id}/refund?form={uuid.uuid4()}"),
        confirmed(visitor, payment_id),
        sent(visitor, payment_id, form=str(uuid.uuid4()), amount="5", reason=""),
    ):
        assert page.status == 409
        assert "This payment cannot be refunded" in page.text


def test_no_get_refunds(visitor: Visitor, till: Till, place: Place, payment_id: int) -> None:
    form = str(uuid.uuid4())
    for address in ("refund", f"refund?form={form}", f"refund/confirm?form={form}&amount=5&reason=x", ""):
        for headers in ({}, {"HX-Request": "true"}):
            visitor.get(f"/console/payments/{payment_id}/{address}".rstrip("/"), headers)
    assert till.gateway.verbs() == ["charge"]
    assert place.sql.value("SELECT count(*) FROM payment_refunds") == 0


def test_a_key_that_no_page_of_ours_made_is_refused(visitor: Visitor, payment_id: int) -> None:
    for form in ("x", "1" * 300, "../../", "<script>", "ABCDEF00-0000-0000-0000-000000000000"):
        assert sent(visitor, payment_id, form=form, amount="5", reason="").status == 400


def test_a_key_of_something_else_shows_nothing_of_it(visitor: Visitor, till: Till, payment_id: int) -> None:
    key = str(uuid.uuid4())
    till.pay(key=key, trip_id=102)
    assert visitor.get(f"/console/payments/{payment_id}/refund?form={key}").status == 400


def test_no_payment_has_no_form(visitor: Visitor) -> None:
    assert visitor.get(f"/console/payments/77/refund?form={uuid.uuid4()}").status == 404


def test_what_another_gateway_charged_is_not_refunded_here(visitor: Visitor, till: Till, payment_id: int) -> None:
    till.gateway.name = "another"
    page = visitor.get(f"/console/payments/{payment_id}/refund?form={uuid.uuid4()}")
    assert "was not charged through this gateway" in page.text
