"""A ring is answered: what it is for is read, the books follow that, and whatever happens on the way, it is not lost."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.gateways.facts import Fact, Kind
from shared.gateways.protocol import Unknown
from shared.late import answer
from shared.late.answer import Answered, answer_next, answer_now
from shared.late.ring import Left, Ring, ring
from shared.platform.database import DatabaseUnavailable
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.ringing import RingingGateway, a_charge_fact, a_dispute_fact, a_refund_fact
from tests.support.till import Died, Till, WatchedDatabase

RINGS = (
    "SELECT kind, object_id, rings, tries, why, extract(epoch FROM ask_after - now())::float8 AS due FROM gateway_rings"
)
FACTS: dict[Kind, Fact] = {"charge": a_charge_fact(), "refund": a_refund_fact(), "dispute": a_dispute_fact()}
SECONDS = 5  # that a test may take between two looks at the clock
DAYS = 86400


@pytest.fixture
def gateway() -> RingingGateway:
    gateway = RingingGateway()
    gateway.facts = {(kind, fact.gateway_id): fact for kind, fact in FACTS.items()}
    return gateway


class Follower:
    """What follows a fact in place of the books: `says` is why it is left, or what it raises."""

    def __init__(self) -> None:
        self.followed: list[tuple[Ring, Any]] = []
        self.says: Left | BaseException | Callable[[], Left] = None

    def __call__(self, deps: Any, ring: Ring, fact: Any) -> Left:
        self.followed.append((ring, fact))
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says() if callable(self.says) else self.says


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Follower:
    follower = Follower()
    for kind in FACTS:
        monkeypatch.setattr(answer, f"follow_{kind}", follower)
    return follower


@pytest.fixture
def rung(till: Till, gateway: RingingGateway, books: Follower) -> Till:
    """A till whose gateway rang for a charge that it shows."""
    ring(till.database, gateway.name, "charge", "pi_1")
    return till


def rings(place: Place) -> list[dict[str, Any]]:
    return place.sql.run(RINGS)


def become_due(place: Place) -> None:
    place.sql.run("UPDATE gateway_rings SET ask_after = now()")


def grow_old(place: Place, seconds: float) -> None:
    place.sql.run("UPDATE gateway_rings SET rung_at = rung_at - make_interval(secs => %s)", (seconds,))


@pytest.mark.parametrize("kind", FACTS)
def test_what_is_read_is_followed_and_the_ring_is_over(till: Till, place: Place, books: Follower, kind: Kind) -> None:
    object_id = FACTS[kind].gateway_id
    ring(till.database, till.gateway.name, kind, object_id)
    assert answer_now(till.deps, till.gateway.name, kind, object_id)
    [(followed, fact)] = books.followed
    assert fact == FACTS[kind]
    assert followed[:5] == ("scripted", kind, object_id, 1, 0)
    assert rings(place) == []


def test_a_sweep_takes_what_has_been_due_longest(rung: Till, place: Place, books: Follower) -> None:
    ring(rung.database, "scripted", "dispute", "du_1")
    place.sql.run("UPDATE gateway_rings SET ask_after = now() - interval '1 min' WHERE kind = 'dispute'")
    assert [answer_next(rung.deps) for _ in range(3)] == [Answered.ENDED, Answered.ENDED, None]
    assert [each.object_id for each, _ in books.followed] == ["du_1", "pi_1"]


def test_what_the_books_cannot_follow_yet_is_put_off_with_why(rung: Till, place: Place, books: Follower) -> None:
    books.says = "somebody is asking\nat this moment" + "." * 600
    assert not answer_now(rung.deps, "scripted", "charge", "pi_1")
    [left] = rings(place)
    assert (left["rings"], left["tries"]) == (1, 1)
    assert left["why"].startswith("somebody is asking\\nat this moment..")
    assert answer_next(rung.deps) is None, "it is not due"


@pytest.mark.parametrize(
    ("tries", "pause"), [(0, 1), (1, 2), (2, 4), (5, 32), (9, 512), (10, 600), (11, 600), (5000, 600)]
)
def test_pauses_grow_to_ten_minutes(rung: Till, place: Place, books: Follower, tries: int, pause: float) -> None:
    books.says = "not yet"
    place.sql.run("UPDATE gateway_rings SET tries = %s", (tries,))
    assert answer_next(rung.deps) is Answered.LEFT
    [left] = rings(place)
    assert left["tries"] == tries + 1
    assert pause - SECONDS <= left["due"] <= pause


@pytest.mark.parametrize(("answered", "pause", "told"), [(True, 600, Answered.LEFT), (False, 30, Answered.UNANSWERED)])
def test_what_cannot_be_read_is_put_off_and_during_an_outage_for_half_a_minute(
    rung: Till, gateway: RingingGateway, place: Place, books: Follower, answered: bool, pause: float, told: Answered
) -> None:
    gateway.facts["charge", "pi_1"] = Unknown("it is down", answered=answered)
    place.sql.run("UPDATE gateway_rings SET tries = 20")
    assert answer_next(rung.deps) is told
    [left] = rings(place)
    assert pause - SECONDS <= left["due"] <= pause
    assert left["why"] == "it is down"
    assert books.followed == []


def test_what_the_gateway_does_not_show_is_dropped_and_nothing_is_written(
    till: Till, place: Place, books: Follower
) -> None:
    """A name that somebody made up, or another account's."""
    ring(till.database, "scripted", "charge", "pi_forged")
    assert answer_now(till.deps, "scripted", "charge", "pi_forged")
    assert rings(place) == []
    assert books.followed == []
    assert place.sql.value("SELECT count(*) FROM gateway_said") == 0


def test_a_ring_of_a_gateway_whose_settings_are_absent_waits_for_them_however_long(till: Till, place: Place) -> None:
    ring(till.database, "elsewhere", "charge", "pi_1")
    grow_old(place, 30 * DAYS)
    assert not answer_now(till.deps, "elsewhere", "charge", "pi_1")
    [left] = rings(place)
    assert left["why"] == "its gateway is elsewhere, whose settings are absent"


def test_what_is_in_the_books_and_not_shown_is_not_dropped(till: Till, gateway: RingingGateway, place: Place) -> None:
    """It is another account's, whose key may be set again."""
    a_payment(place.sql, gateway="scripted", gateway_id="pi_ours")
    for charge, is_ours in (("pi_ours", True), ("pi_nobody_s", False)):
        ring(till.database, gateway.name, "charge", charge)
        assert answer_now(till.deps, gateway.name, "charge", charge) is not is_ours
    assert [each["object_id"] for each in rings(place)] == ["pi_ours"]


def test_what_leads_nowhere_for_three_days_is_given_up_with_a_line_in_the_log(
    rung: Till, place: Place, books: Follower, logged: list[logging.LogRecord]
) -> None:
    books.says = "no payment has this charge yet"
    grow_old(place, 3 * DAYS - 60)
    assert answer_next(rung.deps) is Answered.LEFT
    grow_old(place, 60)
    become_due(place)
    assert answer_next(rung.deps) is Answered.ENDED
    assert rings(place) == []
    [line] = [line for line in logged if line.message == "a ring is given up"]
    assert (line.levelname, vars(line)["object_id"], vars(line)["why"]) == ("ERROR", "pi_1", books.says)


def test_what_is_read_for_the_first_time_after_days_is_not_given_up_before_it_is_read_again(
    rung: Till, gateway: RingingGateway, place: Place, books: Follower
) -> None:
    """A key that was revoked over a long weekend: what needs another ring's answer first gets its second try."""
    gateway.facts["charge", "pi_1"] = Unknown("a revoked key")
    assert answer_next(rung.deps) is Answered.LEFT
    grow_old(place, 4 * DAYS)
    gateway.facts["charge", "pi_1"] = FACTS["charge"]
    for says, ended in (("its charge is FAILED here", Answered.LEFT), (None, Answered.ENDED)):
        books.says = says
        become_due(place)
        assert answer_next(rung.deps) is ended
        assert len(rings(place)) == (ended is Answered.LEFT)


@pytest.mark.parametrize("failure", [Unknown("a revoked key"), RuntimeError("a bug"), DatabaseUnavailable("57014")])
def test_what_cannot_be_read_or_fails_is_never_given_up(
    rung: Till, gateway: RingingGateway, place: Place, books: Follower, failure: Any
) -> None:
    if isinstance(failure, Unknown):
        gateway.facts["charge", "pi_1"] = failure
    else:
        books.says = failure
    grow_old(place, 30 * DAYS)
    assert answer_next(rung.deps) in (Answered.UNANSWERED, Answered.LEFT)
    assert len(rings(place)) == 1


def test_a_failure_of_the_books_is_in_the_log_with_its_trace(
    rung: Till, place: Place, books: Follower, logged: list[logging.LogRecord]
) -> None:
    books.says = RuntimeError("a bug")
    assert not answer_now(rung.deps, "scripted", "charge", "pi_1")
    assert any(line.exc_info for line in logged)
    assert rings(place)[0]["why"] == "it failed: RuntimeError"


@pytest.mark.parametrize("says", [None, "not yet"])
@pytest.mark.parametrize("during", ["the reading", "the following"])
def test_what_rings_while_it_is_answered_is_due_again_at_once(
    rung: Till, gateway: RingingGateway, place: Place, books: Follower, during: str, says: Left
) -> None:
    """What was read may be of before."""

    def rings_again() -> Left:
        ring(rung.database, "scripted", "charge", "pi_1")
        return says

    if during == "the reading":
        gateway.reading, books.says = rings_again, says
    else:
        books.says = rings_again
    answer_next(rung.deps)
    [left] = rings(place)
    assert left["rings"] == 2
    assert left["due"] <= 0
    gateway.reading, books.says = (lambda: None), None
    assert answer_next(rung.deps) is Answered.ENDED
    assert rings(place) == []


def test_one_who_answers_keeps_others_from_it_until_the_lease_is_over(
    rung: Till, gateway: RingingGateway, place: Place
) -> None:
    others: list[object] = []

    def others_try() -> None:
        others.extend([answer_now(rung.deps, "scripted", "charge", "pi_1"), answer_next(rung.deps)])

    gateway.reading = others_try
    assert answer_now(rung.deps, "scripted", "charge", "pi_1")
    assert others == [False, None]
    assert len(gateway.reads) == 1


def test_while_the_gateway_is_read_no_connection_is_held(rung: Till, gateway: RingingGateway) -> None:
    in_use: list[int] = []
    gateway.reading = lambda: in_use.append(rung.database.pool_use().in_use)
    answer_next(rung.deps)
    assert in_use == [0]


@pytest.fixture
def ours(place: Place) -> int:
    """The payment of the charge that is rung for."""
    payment_id = a_payment(place.sql, status="PENDING", reference="PAY-1")
    place.sql.run("UPDATE payments SET gateway_id = 'pi_1'")
    return payment_id


DEATHS: dict[str, Callable[[Till, RingingGateway], None]] = {
    "at the gateway": lambda till, gateway: gateway.facts.update({("charge", "pi_1"): Died()}),
    "before what was read is kept": lambda till, gateway: setattr(till.database, "dies_before", "keep_read"),
    "between reading and following": lambda till, gateway: setattr(till.database, "dies_after", "keep_read"),
    "before the ring is ended": lambda till, gateway: setattr(till.database, "dies_before", "end_ring"),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_ring_whose_worker_died_is_answered_once_its_lease_is_over(
    rung: Till, gateway: RingingGateway, place: Place, books: Follower, ours: int, death: str
) -> None:
    DEATHS[death](rung, gateway)
    with pytest.raises(Died):
        answer_next(rung.deps)
    rung.database.dies_before = rung.database.dies_after = ""
    gateway.facts["charge", "pi_1"] = FACTS["charge"]
    [left] = rings(place)
    lease = rung.settings.gateway_timeout + rung.settings.idempotency_lock_timeout
    assert lease - SECONDS <= left["due"] <= lease
    assert answer_next(rung.deps) is None
    become_due(place)
    assert answer_next(rung.deps) is Answered.ENDED
    assert books.followed[-1][1] == FACTS["charge"]
    assert rings(place) == []
    assert place.sql.value("SELECT count(*) FROM gateway_said") == 1


def test_where_the_database_is_gone_it_is_left_for_a_sweep(till: Till, place: Place) -> None:
    till.database = WatchedDatabase(place.settings(db_port=1))
    assert not answer_now(till.deps, "scripted", "charge", "pi_1")


READ = "SELECT source, type, object_id, charge_id, said->>'id' AS said FROM gateway_said ORDER BY said_id"


def test_what_was_read_of_ours_is_kept_where_it_says_something_new(
    rung: Till, gateway: RingingGateway, place: Place, ours: int
) -> None:
    for fact in (FACTS["charge"], FACTS["charge"], a_charge_fact(said={"id": "pi_1", "status": "succeeded"})):
        gateway.facts["charge", "pi_1"] = fact
        ring(rung.database, "scripted", "charge", "pi_1")
        assert answer_now(rung.deps, "scripted", "charge", "pi_1")
    ring(rung.database, "scripted", "refund", "re_1")
    assert answer_next(rung.deps) is Answered.ENDED
    kept = [tuple(row.values()) for row in place.sql.run(READ)]
    charge, refund = ("read", "charge", "pi_1", "pi_1", "pi_1"), ("read", "refund", "re_1", "pi_1", "re_1")
    assert kept == [charge, charge, refund]


def test_a_charge_whose_name_is_not_known_yet_is_ours_by_its_reference(
    rung: Till, gateway: RingingGateway, place: Place
) -> None:
    a_payment(place.sql, status="PENDING", reference="PAY-1")
    gateway.facts["charge", "pi_1"] = a_charge_fact(reference="PAY-1")
    answer_next(rung.deps)
    assert place.sql.value("SELECT count(*) FROM gateway_said") == 1


def test_of_what_is_not_ours_only_disputes_are_kept(till: Till, place: Place, books: Follower) -> None:
    """An account may serve others too. A dispute of a charge that nobody here knows is a bank's word all the same."""
    for kind, fact in FACTS.items():
        ring(till.database, "scripted", kind, fact.gateway_id)
    while answer_next(till.deps):
        pass
    assert len(books.followed) == 3
    assert [row["object_id"] for row in place.sql.run(READ)] == ["du_1"]
