"""Refunds: the contract's table, what is reserved and given back, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.platform.database import DatabaseUnavailable
from shared.reading.totals import read_totals
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.gateway import Lost, ScriptedGateway
from tests.support.till import Till, WatchedDatabase, shown
from tests.support.wire import Wire


@pytest.fixture
def payment_id(till: Till) -> int:
    """A payment of 100.00 by card."""
    return int(shown(till.pay(amount="100.00"))["payment_id"])


def balances(place: Place, payment_id: int) -> tuple[str, Decimal, Decimal]:
    row = place.sql.run("SELECT * FROM payments WHERE payment_id = %s", (payment_id,))[0]
    return row["status"], row["reserved_amount"], row["refunded_amount"]


def test_a_part_is_given_back(till: Till, place: Place, payment_id: int) -> None:
    answer = till.refund(payment_id, "30.00", metadata={"reason": "Customer request", "more": 1})
    refund = shown(answer)
    assert (answer.status, answer.headers) == (201, {})
    assert (refund["payment_id"], refund["refund_amount"], refund["currency"]) == (payment_id, 30, "INR")
    assert (refund["status"], refund["payment_status"], refund["remaining_amount"]) == ("REFUNDED", "SUCCESS", 70)
    assert refund["reason"] == "Customer request"
    assert refund["reference"].startswith("REF-")
    assert '"refund_amount":30.00' in answer.body
    assert balances(place, payment_id) == ("SUCCESS", 0, 30)


def test_without_an_amount_all_that_is_left_is_given_back(till: Till, place: Place, payment_id: int) -> None:
    till.refund(payment_id, "30.00")
    refund = shown(till.refund(payment_id))
    assert (refund["refund_amount"], refund["remaining_amount"], refund["payment_status"]) == (70, 0, "REFUNDED")
    assert balances(place, payment_id) == ("REFUNDED", 0, 100)


@pytest.mark.parametrize(("part", "left"), [("99.00", "1.00"), ("99.50", "0.50"), ("99.99", "0.01")])
def test_a_refund_that_leaves_next_to_nothing_leaves_it_to_be_given_back(
    till: Till, place: Place, payment_id: int, part: str, left: str
) -> None:
    refund = shown(till.refund(payment_id, part))
    assert (refund["payment_status"], refund["remaining_amount"]) == ("SUCCESS", Decimal(left))
    assert balances(place, payment_id) == ("SUCCESS", 0, Decimal(part))
    rest = shown(till.refund(payment_id))
    assert (rest["refund_amount"], rest["payment_status"], rest["remaining_amount"]) == (Decimal(left), "REFUNDED", 0)
    assert balances(place, payment_id) == ("REFUNDED", 0, 100)


def test_parts_that_add_up_to_the_whole_make_it_refunded(till: Till, place: Place, payment_id: int) -> None:
    answers = [shown(till.refund(payment_id, amount)) for amount in ("33.33", "33.33", "33.34")]
    assert [answer["payment_status"] for answer in answers] == ["SUCCESS", "SUCCESS", "REFUNDED"]
    assert balances(place, payment_id) == ("REFUNDED", 0, 100)


def test_the_gateway_is_told_which_charge_is_given_back(till: Till, place: Place, payment_id: int) -> None:
    till.refund(payment_id, "30.00")
    charged, refunded = (request for _, request in till.gateway.calls)
    assert (refunded.amount, refunded.currency) == (30, "INR")
    assert refunded.charge_id == f"scr_{charged.reference}"
    assert refunded.reference != charged.reference
    assert refunded.gateway_id is None


def test_cash_is_given_back_without_the_gateway(till: Till, place: Place) -> None:
    payment_id = shown(till.pay(method="CASH"))["payment_id"]
    assert till.refund(payment_id).status == 201
    assert till.gateway.calls == []
    assert balances(place, payment_id) == ("REFUNDED", 0, 150)


def refusal(till: Till, payment_id: int, amount: str | None = None) -> Problem:
    with pytest.raises(Problem) as refused:
        till.refund(payment_id, amount, key="refused")
    assert till.database.run("look", key_hash=b"", lease_seconds=1) == []
    return refused.value


def test_a_payment_that_is_not_there_is_404(till: Till) -> None:
    assert refusal(till, 12345).code == "payment_not_found"


@pytest.mark.parametrize("turn", [Declined("card_declined"), Unknown("time-out")])
def test_a_payment_that_was_not_charged_is_409(till: Till, turn: Any) -> None:
    till.gateway.next(turn)
    till.pay(key="k")
    problem = refusal(till, 1)
    assert (problem.code, problem.status) == ("payment_not_refundable", 409)
    assert bool(problem.retry_after) == isinstance(turn, Unknown), "only what is pending may be refundable later"


def test_a_payment_of_which_nothing_is_left_is_409(till: Till, payment_id: int) -> None:
    till.refund(payment_id)
    assert refusal(till, payment_id).code == "payment_not_refundable"
    assert refusal(till, payment_id, "0.01").code == "payment_not_refundable"


def test_a_payment_all_of_which_is_reserved_is_409(till: Till, payment_id: int) -> None:
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id)
    assert refusal(till, payment_id).code == "payment_not_refundable"


def test_a_row_of_the_seed_is_409(till: Till, place: Place) -> None:
    assert refusal(till, a_payment(place.sql, gateway=None)).code == "payment_not_refundable"


def test_a_payment_of_another_gateway_is_409(till: Till, payment_id: int) -> None:
    till.gateway = ScriptedGateway("another")
    assert refusal(till, payment_id).code == "payment_not_refundable"
    assert till.gateway.calls == []


def test_a_payment_of_another_account_is_409(till: Till, payment_id: int) -> None:
    till.gateway = ScriptedGateway(account="acct_another")
    assert refusal(till, payment_id).code == "payment_not_refundable"
    assert till.gateway.calls == []


def test_a_payment_from_before_accounts_were_recorded_is_given_back(till: Till, place: Place, payment_id: int) -> None:
    place.sql.run("UPDATE payments SET gateway_account = NULL")
    assert till.refund(payment_id).status == 201


def test_a_payment_is_given_back_by_the_gateway_that_charged_it_though_another_is_chosen(
    till: Till, place: Place
) -> None:
    scripted, till.gateway = till.gateway, ScriptedGateway("simulated", "simulated")
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.gateway = scripted
    assert till.refund(payment_id, "30.00").status == 201
    assert balances(place, payment_id) == ("SUCCESS", 0, 30)
    assert scripted.calls == []


def test_more_than_is_left_is_422(till: Till, place: Place, payment_id: int) -> None:
    till.refund(payment_id, "60.00")
    problem = refusal(till, payment_id, "40.01")
    assert (problem.code, problem.status) == ("refund_exceeds_payment", 422)
    assert balances(place, payment_id) == ("SUCCESS", 0, 60)
    assert place.sql.value("SELECT count(*) FROM payment_refunds") == 1
    assert till.refund(payment_id, "40.00", key="refused").status == 201  # a refusal uses up nothing


@pytest.mark.parametrize("now", ["INR", "JPY"])
def test_an_amount_that_the_payments_currency_cannot_express_is_400_whatever_the_currency_is_now(
    till: Till, place: Place, now: str
) -> None:
    till.change(currency="JPY")
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.change(currency=now)
    problem = refusal(till, payment_id, "10.50")
    assert (problem.code, problem.status) == ("invalid_request", 400)
    assert problem.errors == [("amount", "must be a multiple of 1 in JPY")]
    assert balances(place, payment_id) == ("SUCCESS", 0, 0)
    assert till.refund(payment_id, "10.00", key="refused").status == 201  # a refusal uses up nothing


def test_an_amount_that_the_payments_currency_expresses_is_given_back_whatever_the_currency_is_now(
    till: Till, payment_id: int
) -> None:
    till.change(currency="JPY")
    first = till.refund(payment_id, "10.50", key="k")
    assert (first.status, shown(first)["currency"]) == (201, "INR")
    assert till.refund(payment_id, "10.50", key="k") == first.replayed()


def test_all_that_is_left_is_given_back_in_whatever_units_it_is(till: Till, place: Place) -> None:
    payment_id = a_payment(place.sql, amount="10.50", currency="JPY")
    assert shown(till.refund(payment_id))["refund_amount"] == Decimal("10.50")


def test_a_refund_that_is_declined_is_402_and_frees_what_was_reserved(
    till: Till, place: Place, payment_id: int
) -> None:
    till.gateway.next(Declined("insufficient_funds"))
    answer = till.refund(payment_id, "60.00", key="k")
    problem = shown(answer)
    assert (answer.status, problem["code"], problem["failure_code"]) == (402, "refund_declined", "insufficient_funds")
    assert (problem["refund"]["status"], problem["refund"]["remaining_amount"]) == ("FAILED", 100)
    assert balances(place, payment_id) == ("SUCCESS", 0, 0)
    assert till.refund(payment_id, "60.00", key="k").body == answer.body
    assert till.refund(payment_id, "100.00").status == 201


@pytest.mark.parametrize("amount", ["60.00", "60", None])
def test_a_refund_is_asked_for_again_with_the_same_order(till: Till, payment_id: int, amount: str | None) -> None:
    till.gateway.next(Lost())
    for _ in range(2):
        till.refund(payment_id, amount, key="k")
    before, after = (request for verb, request in till.gateway.calls if verb == "refund")
    assert repr(before._replace(age=0)) == repr(after._replace(age=0, asked=1))


def test_an_unknown_refund_is_202_and_stays_reserved(till: Till, place: Place, payment_id: int) -> None:
    till.gateway.next(Lost())
    answer = till.refund(payment_id, "60.00", key="k")
    refund = shown(answer)
    assert (answer.status, refund["status"], refund["remaining_amount"]) == (202, "PENDING", 40)
    assert int(answer.headers["Retry-After"]) > 0
    assert balances(place, payment_id) == ("SUCCESS", 60, 0)
    final = till.refund(payment_id, "60.00", key="k")
    assert (final.status, shown(final)["remaining_amount"]) == (201, 40)
    assert balances(place, payment_id) == ("SUCCESS", 0, 60)
    assert set(till.gateway.moved.values()) == {1}


@pytest.mark.parametrize("turn", [Succeeded("re_1"), Declined("expired")])
def test_a_repeat_is_the_same_byte_for_byte(till: Till, payment_id: int, turn: Any) -> None:
    till.gateway.next(turn)
    first: Answer = till.refund(payment_id, "10.00", key="k")
    again = till.refund(payment_id, "10.00", key="k")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_repeat_that_no_longer_fits_is_a_replay_all_the_same(till: Till, payment_id: int) -> None:
    first = till.refund(payment_id, key="k")
    assert shown(first)["payment_status"] == "REFUNDED"
    assert till.refund(payment_id, key="k").body == first.body


def test_a_repeat_of_a_pending_refund_of_all_is_not_refused_as_nothing_left(till: Till, payment_id: int) -> None:
    till.gateway.next(Unknown("time-out"))
    assert till.refund(payment_id, key="k").status == 202
    assert till.refund(payment_id, key="k").status == 201


@pytest.mark.parametrize("other", [{"amount": "10.01"}, {"amount": None}, {"amount": "10.00", "metadata": {"a": 1}}])
def test_a_key_with_other_content_is_refused(till: Till, payment_id: int, other: dict[str, Any]) -> None:
    till.refund(payment_id, "10.00", key="k")
    with pytest.raises(Problem, match="idempotency_key_reused"):
        till.refund(payment_id, key="k", **other)


def test_a_refund_takes_three_round_trips_and_two_commits(
    place: Place, wire: Wire, till: Till, payment_id: int
) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    till.refund(payment_id, "1.00")
    next_number = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    trips_before, commits_before = wire.round_trips, place.sql.value(next_number)
    till.refund(payment_id, "1.00")
    assert wire.round_trips - trips_before == 3
    assert place.sql.value(next_number) - commits_before == 2
    till.database.close()


@pytest.mark.parametrize("cut", ["claim", "settle"])
def test_a_refund_whose_commit_was_cut_off_moves_the_money_once(
    place: Place, wire: Wire, till: Till, payment_id: int, cut: str
) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    wire.cut_after("EXECUTE claim_refund" if cut == "claim" else "EXECUTE settle_refund")
    if cut == "claim":
        with pytest.raises(DatabaseUnavailable):
            till.refund(payment_id, "60.00", key="k")
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s' WHERE answer_status IS NULL")
    else:
        assert till.refund(payment_id, "60.00", key="k").status == 201
    assert till.refund(payment_id, "60.00", key="k").status == 201
    assert balances(place, payment_id) == ("SUCCESS", 0, 60)
    assert list(till.gateway.refunded.values()) == [60]
    assert place.sql.value("SELECT count(*) FROM outbox WHERE type = 'com.ridehailing.payment.refunded.v1'") == 1
    till.database.close()


def test_metrics_of_refunds_count_settled_ones_only(till: Till, place: Place, payment_id: int) -> None:
    till.gateway.next(Declined("no"), Unknown("time-out"), Succeeded("re_1"))
    for amount in ("10.00", "20.00", "30.00"):
        till.refund(payment_id, amount)
    figures = read_totals(till.database, till.settings.currency).figures
    assert (figures.refund_count, figures.refund_amount) == (1, 30)
