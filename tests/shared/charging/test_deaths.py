"""Recovery: a worker that dies at any point, and what a repeat or a sweep makes of what it left."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from shared.charging.lease import take_next
from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.reading.totals import read_totals
from shared.web.problems import Problem
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.gateway import Lost, ScriptedGateway, Turn
from tests.support.till import Died, Till, WatchedDatabase, shown

AGE = """
UPDATE idempotency_keys SET {column} = {column} - make_interval(secs => %(s)s) WHERE answer_status IS NULL;
UPDATE oldest_open SET requests = requests - make_interval(secs => %(s)s), noted_at = noted_at - make_interval(secs => %(s)s)
"""


def pass_time(place: Place, seconds: float, column: str = "locked_at") -> None:
    """As if a lease had been taken, or a pause begun, so much earlier."""
    place.sql.run(AGE.format(column=column), {"s": seconds})


def become_due(place: Place) -> None:
    """As if the lease time-out and every pause were over."""
    pass_time(place, 4)
    for column in ("created_at", "ask_after"):
        pass_time(place, 700, column)


def everything_is_settled(place: Place) -> None:
    sql = place.sql
    assert sql.value("SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL OR locked_at IS NOT NULL") == 0
    assert sql.value("SELECT count(*) FROM payments WHERE status = 'PENDING' OR reserved_amount > 0") == 0
    assert sql.value("SELECT count(*) FROM payment_refunds WHERE status = 'PENDING'") == 0


# Where a worker can die: before or after a statement, or in the gateway.
DEATHS: dict[str, Callable[[Till], None]] = {
    "before the look": lambda till: setattr(till.database, "dies_before", "look"),
    "before the claim": lambda till: setattr(till.database, "dies_before", "claim_payment"),
    "after the claim": lambda till: setattr(till.database, "dies_after", "claim_payment"),
    "at the gateway, nothing moved": lambda till: till.gateway.next(Died),
    "at the gateway, money moved": lambda till: till.gateway.next(_move_and_die(till)),
    "before the settling": lambda till: setattr(till.database, "dies_before", "settle_payment"),
    "after the settling": lambda till: setattr(till.database, "dies_after", "settle_payment"),
}


def _move_and_die(till: Till) -> Turn:
    def turn(request: Any) -> Any:
        till.gateway._move(request, till.gateway.charged if request.charge_id is None else till.gateway.refunded)
        raise Died

    return turn


def live_on(till: Till) -> None:
    till.database.dies_before = till.database.dies_after = ""


@pytest.mark.parametrize("mended_by", ["repeat", "sweep", "sweep, then repeat"])
@pytest.mark.parametrize("amount", ["150.00", None])
@pytest.mark.parametrize("death", DEATHS)
def test_a_charge_whose_worker_died_is_carried_to_its_end_once(
    till: Till, place: Place, death: str, amount: str | None, mended_by: str
) -> None:
    DEATHS[death](till)
    with pytest.raises(Died):
        till.pay(key="k", amount=amount)
    live_on(till)
    claimed = place.sql.value("SELECT count(*) FROM payments")
    assert claimed == (0 if death in ("before the look", "before the claim") else 1)
    become_due(place)
    if "sweep" in mended_by:
        till.sweep()
        assert place.sql.value("SELECT count(*) FROM payments WHERE status = 'SUCCESS'") == claimed
        everything_is_settled(place)
    if "repeat" in mended_by:
        answer = till.pay(key="k", amount=amount)
        assert (answer.status, shown(answer)["status"]) == (201, "SUCCESS")
        claimed = 1
    everything_is_settled(place)
    assert sorted(till.gateway.moved.values()) == [1] * claimed
    for table in ("payments", "payment_receipts", "outbox", "idempotency_keys"):
        assert place.sql.value(f"SELECT count(*) FROM {table}") == claimed


def test_a_cash_payment_whose_worker_died_is_all_there_or_not_at_all(till: Till, place: Place) -> None:
    for key, death, there in (("a", "dies_before", 0), ("b", "dies_after", 1)):
        setattr(till.database, death, "charge_at_once")
        with pytest.raises(Died):
            till.pay(key=key, method="CASH")
        live_on(till)
        for table in ("payments", "payment_receipts", "outbox", "idempotency_keys"):
            assert place.sql.value(f"SELECT count(*) FROM {table}") == there
    assert till.pay(key="b", method="CASH").headers["Idempotent-Replayed"] == "true"


REFUND_DEATHS = {
    name: DEATHS[name] for name in ("before the look", "at the gateway, nothing moved", "at the gateway, money moved")
} | {
    f"{when} {statement}": lambda till, when=when, statement=statement: setattr(
        till.database, f"dies_{when}", f"{statement}_refund"
    )
    for when in ("before", "after")
    for statement in ("claim", "settle")
}


@pytest.mark.parametrize("mended_by", ["repeat", "sweep"])
@pytest.mark.parametrize(
    ("method", "death"),
    [("CARD", death) for death in REFUND_DEATHS]
    + [("CASH", death) for death in REFUND_DEATHS if "gateway" not in death],
)
def test_a_refund_whose_worker_died_is_carried_to_its_end_once(
    till: Till, place: Place, method: str, death: str, mended_by: str
) -> None:
    payment_id = shown(till.pay(amount="100.00", method=method))["payment_id"]
    till.gateway.moved.clear()
    REFUND_DEATHS[death](till)
    with pytest.raises(Died):
        till.refund(payment_id, "60.00", key="k")
    live_on(till)
    become_due(place)
    claimed = place.sql.value("SELECT count(*) FROM payment_refunds")
    assert claimed == (0 if death in ("before the look", "before claim") else 1)
    if mended_by == "sweep":
        till.sweep()
    else:
        assert till.refund(payment_id, "60.00", key="k").status == 201
        claimed = 1
    everything_is_settled(place)
    assert place.sql.value("SELECT refunded_amount FROM payments") == 60 * claimed
    assert sum(till.gateway.moved.values()) == (claimed if method == "CARD" else 0)
    assert place.sql.value("SELECT count(*) FROM payment_refunds WHERE status = 'REFUNDED'") == claimed
    assert place.sql.value("SELECT count(*) FROM outbox") == 1 + claimed


@pytest.mark.parametrize("statement", ["lease_key", "release_key", "settle_payment", "look"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_repeat_that_dies_too_is_mended_by_the_next(till: Till, place: Place, statement: str, when: str) -> None:
    till.gateway.next(Lost(), Unknown("time-out") if statement == "release_key" else Succeeded("scr"))
    till.gateway.finding = Unknown("time-out")
    till.pay(key="k")
    setattr(till.database, f"dies_{when}", statement)
    with pytest.raises(Died):
        till.pay(key="k")
    live_on(till)
    become_due(place)
    assert till.pay(key="k").status == 201
    everything_is_settled(place)
    assert list(till.gateway.moved.values()) == [1]
    assert place.sql.value("SELECT count(*) FROM outbox") == 1


@pytest.mark.parametrize("statement", ["lease_next", "settle_payment", "release_key"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sweep_that_dies_is_mended_by_the_next(till: Till, place: Place, statement: str, when: str) -> None:
    till.gateway.next(Lost())
    till.pay(key="k")
    become_due(place)
    if statement == "release_key":
        till.gateway.next(Unknown("time-out"))
        till.gateway.finding = Unknown("time-out")
    setattr(till.database, f"dies_{when}", statement)
    with pytest.raises(Died):
        till.sweep()
    live_on(till)
    become_due(place)
    till.sweep()
    everything_is_settled(place)
    assert list(till.gateway.moved.values()) == [1]
    assert place.sql.value("SELECT count(*) FROM outbox") == 1


def test_a_sweep_leaves_a_fresh_lease_alone(till: Till, place: Place) -> None:
    held = till.gateway.hold()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(till.pay, key="k")
        assert held.reached.wait(10)
        assert till.sweep()["settled"] == 0
        held.released.set()
        assert first.result(10).status == 201
    assert till.gateway.verbs() == ["charge"]


def test_a_sweep_leaves_rows_of_history_alone(till: Till, place: Place) -> None:
    a_payment(place.sql, status="PENDING", gateway=None)
    assert till.sweep()["settled"] == 0
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    assert till.gateway.calls == []


ASK_AT = "UPDATE idempotency_keys SET ask_after = now() + make_interval(secs => %s)"


@contextmanager
def pauses_for(place: Place, seconds: float) -> Iterator[None]:
    """What is done in here ends with a pause of so many seconds, whatever time it takes."""
    began = time.monotonic()
    yield
    pause = place.sql.value("SELECT extract(epoch FROM ask_after - now())::float8 FROM idempotency_keys")
    took = time.monotonic() - began
    assert seconds - took <= pause <= seconds + took


def test_a_sweep_asks_as_soon_as_a_pause_is_over_and_not_before(till: Till, place: Place) -> None:
    till.gateway.always = till.gateway.finding = Unknown("time-out")
    with pauses_for(place, 5):
        till.pay(key="k")
    for age, pause in [(0, 5), (4, 5), (6, 6), (12, 12), (96, 96), (384, 384), (590, 590), (610, 600), (90_000, 600)]:
        with pauses_for(place, pause):
            place.sql.run("UPDATE payments SET created_at = now() - make_interval(secs => %s)", (age,))
            place.sql.run(ASK_AT, (60,))
            assert till.sweep()["settled"] == 0
            place.sql.run(ASK_AT, (0,))
            assert till.sweep()["settled"] == 1
    assert place.sql.value("SELECT locked_at FROM idempotency_keys") is None


def test_where_the_gateway_gives_no_answer_pauses_grow_to_half_a_minute_and_no_further(
    till: Till, place: Place
) -> None:
    till.gateway.always = till.gateway.finding = Unknown("no answer", answered=False)
    with pauses_for(place, 5):
        till.pay(key="k")
    for age, pause in [(4, 5), (12, 12), (29, 29), (35, 30), (90_000, 30)]:
        with pauses_for(place, pause):
            place.sql.run("UPDATE payments SET created_at = now() - make_interval(secs => %s)", (age,))
            place.sql.run(ASK_AT, (0,))
            assert till.sweep()["settled"] == 1


def test_a_client_that_repeats_again_and_again_does_not_put_the_sweep_off(till: Till, place: Place) -> None:
    till.gateway.always = till.gateway.finding = Unknown("time-out")
    with pauses_for(place, 5):
        for _ in range(10):
            assert till.pay(key="k").status == 202


def test_a_client_need_not_wait_for_the_pause(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    assert till.pay(key="k").status == 201


def test_a_sweep_settles_what_has_been_due_longest_first(till: Till, place: Place) -> None:
    till.gateway.next(*[Unknown("time-out")] * 5)
    references = [shown(till.pay(key=f"k{number}"))["reference"] for number in range(5)]
    ages = [30, 10, 50, 20, 40]
    for number, age in enumerate(ages):
        change = "UPDATE idempotency_keys SET ask_after = now() - make_interval(secs => %s) WHERE key_hash = sha256(%s)"
        place.sql.run(change, (age, f"k{number}"))
    leases = [take_next(till.deps) for _ in range(6)]
    assert [lease and lease.request.reference for lease in leases] == [
        *(references[number] for number in (2, 4, 0, 3, 1)),
        None,
    ]


def test_a_sweep_settles_declined_ones_too(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"), Declined("card_declined"))
    till.pay(key="k")
    become_due(place)
    assert till.sweep()["settled"] == 1
    assert till.pay(key="k").status == 402


def test_a_repeat_that_is_not_final_is_followed_by_a_read(till: Till, place: Place) -> None:
    till.gateway.next(Lost(), Unknown("a stored 500"))
    till.pay(key="k")
    assert till.pay(key="k").status == 201
    assert till.gateway.verbs() == ["charge", "charge", "find_charge"]


def test_what_the_read_does_not_find_while_the_key_is_remembered_stays_pending(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("busy"), Unknown("busy"))
    till.pay(key="k")
    assert till.pay(key="k").status == 202
    assert till.gateway.verbs() == ["charge", "charge", "find_charge"]
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_what_the_gateway_calls_it_is_kept_and_asked_with(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.gateway.next(Unknown("processing", "pi_1"), Unknown("processing"))
    till.gateway.finding = Unknown("processing")
    till.pay(key="k")
    till.pay(key="k")
    assert till.gateway.calls[-1][1].gateway_id == "pi_1"
    assert place.sql.value("SELECT gateway_id FROM payments WHERE status = 'PENDING'") == "pi_1"
    till.gateway.next(Unknown("processing", "re_1"), Unknown("processing"))
    till.refund(payment_id, key="r")
    till.refund(payment_id, key="r")
    assert till.gateway.calls[-1][1].gateway_id == "re_1"


@pytest.fixture
def forgotten(till: Till, place: Place) -> Callable[[str], None]:
    """Makes the gateway forget the keys of what it was asked so far, by moving the claims into the past."""

    def age(table: str) -> None:
        place.sql.run(f"UPDATE {table} SET created_at = created_at - interval '24 h'")
        till.gateway.calls.clear()
        become_due(place)

    return age


FORGOTTEN: list[tuple[Turn | None, str, str | None]] = [
    (Succeeded("pi_1"), "SUCCESS", None),
    (Declined("card_declined"), "FAILED", "card_declined"),
    (None, "FAILED", "gateway_unknown"),
    (Unknown("no answer"), "PENDING", None),
]


@pytest.mark.parametrize("by", ["sweep", "repeat"])
@pytest.mark.parametrize(("found", "status", "failure_code"), FORGOTTEN)
def test_after_the_gateway_forgot_the_key_a_charge_is_only_read(
    till: Till,
    place: Place,
    forgotten: Callable[[str], None],
    found: Turn | None,
    status: str,
    failure_code: str | None,
    by: str,
) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    forgotten("payments")
    till.gateway.finding = found
    if by == "sweep":
        till.sweep()
    else:
        assert till.pay(key="k").status == {"SUCCESS": 201, "FAILED": 402, "PENDING": 202}[status]
    assert till.gateway.verbs() == ["find_charge"]
    row = place.sql.run("SELECT status, failure_code FROM payments")[0]
    assert (row["status"], row["failure_code"]) == (status, failure_code)
    assert place.sql.value("SELECT count(*) FROM outbox") == (status != "PENDING")


@pytest.mark.parametrize(
    ("found", "status"), [(Succeeded("re"), "REFUNDED"), (None, "FAILED"), (Unknown(""), "PENDING")]
)
def test_after_the_gateway_forgot_the_key_a_refund_is_only_read(
    till: Till, place: Place, forgotten: Callable[[str], None], found: Turn | None, status: str
) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id, "60.00", key="k")
    forgotten("payment_refunds")
    till.gateway.finding = found
    till.sweep()
    assert till.gateway.verbs() == ["find_refund"]
    assert place.sql.value("SELECT status FROM payment_refunds") == status
    amounts = place.sql.run("SELECT refunded_amount AS given, reserved_amount AS kept FROM payments")[0]
    assert amounts == {"given": 60 if status == "REFUNDED" else 0, "kept": 60 if status == "PENDING" else 0}


def test_an_old_charge_whose_gateway_remembers_is_asked_again(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    place.sql.run("UPDATE payments SET created_at = created_at - interval '22 h 59 min'")
    become_due(place)
    till.sweep()
    assert till.gateway.verbs() == ["charge", "charge"]


@pytest.mark.parametrize("by", ["sweep", "repeat"])
def test_what_was_claimed_with_another_gateway_stays_pending(till: Till, place: Place, by: str) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    become_due(place)
    till.gateway = ScriptedGateway("another")
    if by == "sweep":
        till.sweep()
    else:
        assert till.pay(key="k").status == 202
    assert till.gateway.calls == []
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    assert place.sql.value("SELECT locked_at FROM idempotency_keys") is None


def test_one_charge_that_cannot_be_settled_does_not_keep_others_from_it(till: Till, place: Place) -> None:
    till.gateway.next(Unknown(""), Unknown(""))
    till.pay(key="a")
    till.pay(key="b")
    become_due(place)
    till.gateway.next(RuntimeError("a bug"))
    till.sweep()
    assert sorted(row["status"] for row in place.sql.run("SELECT status FROM payments")) == ["PENDING", "SUCCESS"]


def expire(place: Place, seconds: float = 1) -> None:
    """As if the keys had been answered a lifetime ago: what the triggers let nobody do."""
    place.sql.run(
        """SET session_replication_role = replica;
           UPDATE idempotency_keys SET expires_at = now() - make_interval(secs => %s) WHERE answer_status IS NOT NULL;
           RESET session_replication_role""",
        (seconds,),
    )


def test_an_expired_key_is_good_until_a_sweep_deletes_it(till: Till, place: Place) -> None:
    first = till.pay(key="k")
    expire(place)
    assert till.pay(key="k").body == first.body
    assert till.sweep()["keys_deleted"] == 1
    assert shown(till.pay(key="k"))["payment_id"] != shown(first)["payment_id"]


def test_a_key_whose_payment_is_not_settled_never_expires(till: Till, place: Place) -> None:
    till.gateway.always = till.gateway.finding = Unknown("time-out")
    till.pay(key="k")
    place.sql.run("UPDATE payments SET created_at = created_at - interval '10 years'")
    place.sql.run("UPDATE idempotency_keys SET created_at = created_at - interval '10 years'")
    assert till.sweep()["keys_deleted"] == 0
    assert place.sql.value("SELECT count(*) FROM idempotency_keys") == 1


def test_keys_are_deleted_in_batches_and_those_in_use_are_left(till: Till, place: Place) -> None:
    payment_id = shown(till.pay(key="k"))["payment_id"]
    expire(place, -100)
    place.sql.run(
        """INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, answer_status, answer, expires_at)
           SELECT sha256(n::text::bytea), sha256(''), %s, '', 201, '{}', now() - make_interval(secs => n)
             FROM generate_series(1, 2500) AS n""",
        (payment_id,),
    )
    other = place.connection()
    other.run("BEGIN")
    other.run("SELECT FROM idempotency_keys WHERE key_hash = sha256('7') FOR UPDATE")  # another sweep has it
    assert till.sweep()["keys_deleted"] == 2499
    assert till.database.ran.count("delete_expired_keys") == 3
    other.run("ROLLBACK")
    other.close()
    assert till.sweep()["keys_deleted"] == 1
    assert place.sql.value("SELECT count(*) FROM idempotency_keys") == 1


def test_a_sweep_ends_at_its_bounds(till: Till, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.charging.abandoned.MOST_ASKED", 6)
    till.gateway.next(*[Unknown("")] * 10)
    for number in range(10):
        till.pay(key=f"k{number}")
    become_due(place)
    assert settled_and_more(till.sweep()) == (6, 1)
    with monkeypatch.context() as hurried:
        hurried.setattr("shared.sweeping.sweep.LONGEST", 0)
        assert settled_and_more(till.sweep()) == (0, 4), "no job came to its end, but there is no sink to deliver to"
    assert settled_and_more(till.sweep()) == (4, 0)


def settled_and_more(figures: dict[str, int]) -> tuple[int, int]:
    return figures["settled"], figures["more"]


def test_what_is_pending_for_minutes_is_in_the_log_of_every_sweep(
    till: Till, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    from shared.platform.log import log

    till.gateway.always = till.gateway.finding = Unknown("time-out")
    till.pay(key="k")
    log.addHandler(caplog.handler)
    try:
        till.sweep()
        place.sql.run("UPDATE idempotency_keys SET created_at = created_at - interval '10 min'")
        till.sweep()
    finally:
        log.removeHandler(caplog.handler)
    swept = [record for record in caplog.records if record.message == "swept"]
    assert [(record.levelname, vars(record)["pending"]) for record in swept] == [("INFO", 1), ("WARNING", 1)]
    assert vars(swept[1])["pending_oldest_seconds"] >= 600


def test_a_refund_that_is_stuck_shows_as_a_charge_does(till: Till, place: Place) -> None:
    """Whatever is PENDING for minutes shows in the metrics and in the log of every sweep."""
    payment_id = shown(till.pay())["payment_id"]
    till.gateway.always = till.gateway.finding = Unknown("time-out")
    till.refund(payment_id)
    place.sql.run("UPDATE idempotency_keys SET created_at = created_at - interval '10 min'")
    totals = read_totals(till.database, till.settings.currency)
    assert totals.pending_count == 1
    assert totals.pending_oldest >= 600


def test_a_settled_key_is_never_leased(till: Till, place: Place) -> None:
    till.pay(key="k")
    key_hash = bytes(place.sql.value("SELECT key_hash FROM idempotency_keys"))
    assert till.database.run("lease_key", key_hash=key_hash, lease_seconds=0) == []
    assert till.database.run("lease_next", lease_seconds=0) == []


def test_a_repeat_takes_a_lease_over_only_when_it_is_old(till: Till, place: Place) -> None:
    till.database.dies_after = "claim_payment"
    with pytest.raises(Died):
        till.pay(key="k")
    live_on(till)
    pass_time(place, 2)
    with pytest.raises(Problem, match="idempotency_in_progress"):
        till.pay(key="k")
    pass_time(place, 1)
    assert till.pay(key="k").status == 201
    assert place.sql.value("SELECT asked FROM idempotency_keys") == 2


def test_a_sweep_of_a_database_that_is_gone_raises_and_ends(place: Place, till: Till) -> None:
    from shared.platform.database import DatabaseUnavailable

    till.database = WatchedDatabase(place.settings(db_port=1))
    with pytest.raises(DatabaseUnavailable):
        till.sweep()
