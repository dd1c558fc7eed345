"""What the gateway said at each asking is kept: by the statements that store what came of it, and nothing that must not be."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.charging.askings import Asking, Askings
from shared.charging.by_hand import NotSettled, settle_by_hand
from shared.charging.lease import Lease, take_over
from shared.charging.settle import settle
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.server import CuttableServer
from tests.functions.test_secrets import KEY, SECRET, Echo
from tests.shared.gateways.stripe.requests_of_ours import a_charge
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway, Turn
from tests.support.till import Died, Till, shown

Row = dict[str, Any]
IN_ORDER = "ORDER BY payment_id, refund_id NULLS FIRST, asked, step"
KEPT = f"SELECT asked, step, how, said, code, why, gateway_id, actor FROM gateway_askings {IN_ORDER}"
ALL = f"SELECT asked, step, how, said, code, gateway_id, alone FROM askings {IN_ORDER}"


def told(place: Place, query: str = KEPT) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in place.sql.run(query)]


@pytest.fixture
def lease(till: Till, place: Place) -> Lease:
    """A second lease on a charge whose outcome is not known yet."""
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    taken = take_over(till.deps, bytes(place.sql.value("SELECT key_hash FROM idempotency_keys")))
    assert taken
    return taken


ENDS: list[tuple[Turn | None, str, str | None]] = [
    (Succeeded("pi_1"), "succeeded", None),
    (Declined("expired", "pi_1"), "declined", "expired"),
]


@pytest.mark.parametrize(("turn", "said", "code"), ENDS)
def test_a_charge_that_is_asked_for_once_tells_it_itself(
    till: Till, place: Place, turn: Turn, said: str, code: str | None
) -> None:
    till.gateway.next(turn)
    till.pay()
    assert till.database.ran == ["look", "claim_payment", "settle_payment"], "no statement besides"
    assert told(place) == []
    assert told(place, ALL) == [(1, 1, "charge", said, code, "pi_1", True)]
    assert place.sql.value("SELECT asked_ms FROM payments") >= 0
    assert place.sql.value("SELECT at = updated_at FROM askings JOIN payments USING (payment_id)")


@pytest.mark.parametrize(("turn", "said", "code"), ENDS)
def test_so_does_a_refund(till: Till, place: Place, turn: Turn, said: str, code: str | None) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.gateway.next(turn)
    till.refund(payment_id, "5.00")
    assert told(place) == []
    assert told(place, ALL)[1:] == [(1, 1, "refund", said, code, "pi_1", True)]
    assert place.sql.value(
        "SELECT at = issued_at FROM askings JOIN payment_receipts USING (payment_id) WHERE how = 'charge'"
    )


def test_in_cash_nobody_is_asked(till: Till, place: Place) -> None:
    till.pay(method="CASH")
    assert told(place, ALL) == []


def test_how_long_the_answer_took_is_kept_in_milliseconds(till: Till, place: Place) -> None:
    slow: list[Outcome] = [Succeeded("pi_1")]

    def wait(_: GatewayRequest) -> Outcome:
        threading.Event().wait(0.12)
        return slow.pop()

    till.gateway.next(wait)
    till.pay()
    assert 120 <= place.sql.value("SELECT asked_ms FROM payments") < 1000


def test_an_answer_that_is_not_final_is_kept_with_the_lease_that_is_given_back(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    payment = shown(till.pay(key="k"))
    assert told(place) == [(1, 1, "charge", "unknown", None, "time-out", None, None)]
    assert till.database.ran[-2:] == ["keep_askings", "release_key"]
    assert place.sql.value("SELECT xmin = (SELECT xmin FROM idempotency_keys) FROM gateway_askings"), "one commit"
    till.gateway.next(Unknown("busy"))
    assert till.pay(key="k").status == 202
    till.gateway.next(Declined("expired"))
    till.pay(key="k")
    assert told(place)[1:] == [
        (2, 1, "charge", "unknown", None, "busy", None, None),
        (2, 2, "find", "never_heard", None, None, None, None),
        (3, 1, "charge", "declined", "expired", None, None, None),
    ]
    assert place.sql.value("SELECT asked_ms FROM payments") is None
    assert payment["status"] == "PENDING"


def test_a_refund_that_is_not_final_has_its_own(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id, "5.00", key="r")
    till.refund(payment_id, "5.00", key="r")
    rows = place.sql.run("SELECT refund_id, asked, how, said FROM gateway_askings ORDER BY asked")
    assert [tuple(row.values()) for row in rows] == [(1, 1, "refund", "unknown"), (1, 2, "refund", "succeeded")]


def test_whoever_dies_before_it_is_stored_leaves_nothing(till: Till, place: Place) -> None:
    till.database.dies_before = "settle_payment"
    with pytest.raises(Died):
        till.pay(key="k")
    assert told(place, ALL) == []


def test_a_statement_that_is_repeated_keeps_each_once(till: Till, place: Place, lease: Lease) -> None:
    askings = Askings()
    askings.made = [
        Asking("charge", "unknown", None, "busy", None, 3),
        Asking("find", "succeeded", None, None, "pi_1", 4),
    ]
    for _ in range(2):
        assert settle(till.deps, lease, Succeeded("pi_1"), askings).status == 201
    assert [row[:4] for row in told(place)[1:]] == [(2, 1, "charge", "unknown"), (2, 2, "find", "succeeded")]


def test_what_the_charge_tells_itself_is_not_kept_again(till: Till, place: Place) -> None:
    """The commit came through, and its answer did not."""
    till.gateway.next(lambda _: Succeeded("pi_1"))
    till.database.dies_after = "settle_payment"
    with pytest.raises(Died):
        till.pay(key="k")
    till.database.dies_after = ""
    named = till.database.one("asked_about", payment_id=1, refund_id=None)
    assert named
    askings = Askings()
    askings.made = [Asking("charge", "succeeded", None, None, "pi_1", 3)]
    columns = askings.columns() | {"payment_id": 1, "refund_id": None}
    till.database.run("keep_askings", asked=1, **columns)
    assert told(place) == []


@pytest.mark.parametrize("late", ["settled meanwhile", "the lease is over"])
def test_an_answer_that_comes_too_late_is_kept_all_the_same(till: Till, place: Place, lease: Lease, late: str) -> None:
    if late == "settled meanwhile":
        place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
        till.pay(key="k")
    else:
        lease = lease._replace(over_at=0.0)
    askings = Askings()
    askings.made = [Asking("charge", "declined", "expired", None, None, 3)]
    settle(till.deps, lease, Declined("expired"), askings)
    assert (2, 1, "charge", "declined", "expired", None, None, None) in told(place)


def test_a_look_before_somebody_settles_by_hand_is_one_of_theirs(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    payment_id = str(shown(till.pay(key="k"))["payment_id"])
    till.gateway.finding = Succeeded("pi_1")
    with pytest.raises(NotSettled) as disagreed:
        settle_by_hand(till.deps, payment_id, False, "asha", "it never came")
    assert (disagreed.value.why, disagreed.value.gateway_said) == ("gateway_disagrees", "succeeded")
    settle_by_hand(till.deps, payment_id, True, "asha", "the bank said so")
    assert told(place)[1:] == [
        (2, 1, "find", "succeeded", None, None, "pi_1", "asha"),
        (3, 1, "find", "succeeded", None, None, "pi_1", "asha"),
    ]


def test_where_the_gateway_is_not_to_be_had_nobody_was_asked(till: Till, place: Place, lease: Lease) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
    till.gateway = ScriptedGateway("another")
    till.pay(key="k")
    assert [row[0] for row in told(place)] == [1]


def test_what_another_account_says_decides_nothing_and_is_kept_as_that(till: Till, place: Place, lease: Lease) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
    till.gateway = ScriptedGateway(account="acct_another")
    till.pay(key="k")
    (asked, _, how, said, _, why, *_) = told(place)[-1]
    assert (asked, how, said) == (3, "find", "unknown")
    assert "acct_scripted" in why


CARD = "4242 4242-4242 4242"
HOSTILE = f"tok_secret_1 {KEY} Bearer eyJhbGciOi.x.y {CARD} rk_live_abc cus_secret \x00\x1b[2J\ud800\u202e " + "é" * 600


@pytest.mark.parametrize("outcome", [Unknown(HOSTILE, "pi\x00" + "x" * 300), Declined(HOSTILE)])
def test_secrets_and_what_no_column_holds_are_left_out(outcome: Outcome) -> None:
    request = a_charge(payment_token="tok_secret_1", payment_customer="cus_secret")
    kept = Asking.of("charge", request, outcome, 0.0)
    text = kept.why or kept.code or ""
    assert text.isprintable()
    assert len(text) == (500 if kept.why else 255)
    assert (kept.gateway_id or "").isprintable()
    assert len(kept.gateway_id or "") <= 255
    for secret in ("tok_secret_1", SECRET, "eyJ", "4242", "rk_live", "cus_secret"):
        assert secret not in text
    assert kept.duration_ms >= 0


def test_whatever_a_gateway_says_the_lease_is_given_back(till: Till, place: Place) -> None:
    till.gateway.next(Unknown(HOSTILE.replace("\x00", "").replace("\ud800", "")))
    till.pay(key="k", payment_token="tok_secret_1")
    assert place.sql.value("SELECT locked_at FROM idempotency_keys") is None
    assert "tok_secret_1" not in place.sql.value("SELECT why FROM gateway_askings")


@pytest.fixture
def echo() -> Iterator[str]:
    server = CuttableServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [401, 400, 500])
def test_of_what_stripe_says_back_nothing_is_kept(till: Till, place: Place, echo: str, status: int) -> None:
    till.gateway = Stripe(KEY, f"{echo}/status-{status}", 0.3, certain_after=60.0)  # type: ignore[assignment]
    till.pay(key="k", payment_token="pm_card_visa_secret")
    till.pay(key="k", payment_token="pm_card_visa_secret")
    kept = place.sql.value("SELECT string_agg(a::text, ' ') FROM askings a")
    assert kept
    assert SECRET not in kept
    assert "pm_card" not in kept
    assert "Authorization" not in kept


def test_there_is_room_for_a_name_as_long_as_a_caller_s(till: Till, place: Place, lease: Lease) -> None:
    askings = Askings("x" * 600)
    askings.made = [Asking("find", "unknown", None, "w", None, 1)]
    settle(till.deps, lease, Declined("expired"), askings)
    assert place.sql.value("SELECT max(length(actor)) FROM gateway_askings") == 513
