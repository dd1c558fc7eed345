"""A reconciliation that is stopped goes on where it was stopped, and two do not disturb one another."""

import threading
from functools import partial
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.gateways.protocol import Unknown, account_name
from shared.gateways.stripe import listing
from shared.reconciling import patience
from shared.reconciling.gateway_books import read_gateway_books
from shared.reconciling.reconcile import days_due, reconcile, reconcile_due
from shared.reconciling.run import NotDone, Run, take
from shared.reconciling.window import DAY, day
from tests.shared.reconciling.conftest import FOREVER, Books
from tests.sql.rows import a_reconciliation
from tests.support.till import Died

PAGES = "/v1/balance_transactions"
PAGE_OF = listing.page_of


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "page_of", partial(PAGE_OF, at_once=2))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long a reconciliation wanted to sleep; it does not."""
    seconds: list[float] = []
    clock = [0.0]

    def sleep(for_seconds: float) -> None:
        seconds.append(for_seconds)
        clock[0] += for_seconds

    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0]))
    return seconds


def a_minute_later(books: Books) -> None:
    """Nobody has it any more who was killed, as far as the row says."""
    books.place.sql.run("UPDATE reconciliations SET working_until = working_until - interval '1 minute'")


def pages_read(books: Books) -> list[str | None]:
    return [dict(query).get("starting_after") for _, path, _, query in books.like.requests if path == PAGES]


def test_what_is_paid_while_a_time_that_is_not_over_is_reconciled_is_left_to_the_next_run(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.pay()

    def paid_meanwhile(*its: Any) -> None:
        read_gateway_books(*its)
        books.pay()

    monkeypatch.setattr("shared.reconciling.reconcile.read_gateway_books", paid_meanwhile)
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")]
    monkeypatch.undo()
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")] * 2


def test_it_begins_nothing_after_its_time_and_the_next_goes_on_there(books: Books) -> None:
    for _ in range(5):
        books.pay()
    with pytest.raises(NotDone):
        reconcile(books.take(), 0)
    assert pages_read(books) == []
    run = books.take()
    books.till.database.dies_before = "settle_movements"
    with pytest.raises(Died):
        reconcile(run, FOREVER)
    books.till.database.dies_before = ""
    read = len(pages_read(books))
    assert not books.reconcile().differences
    assert len(pages_read(books)) == read, "what was read is not read again"
    assert books.verdicts() == [("charge", "matched")] * 5


def test_what_was_not_kept_is_read_again_and_nothing_is_booked_twice(books: Books) -> None:
    for _ in range(5):
        books.pay()
    books.till.database.dies_after = "keep_movements"
    with pytest.raises(Died):
        reconcile(books.take(), FOREVER)
    books.till.database.dies_after, books.till.database.dies_before = "", "keep_movements"
    a_minute_later(books)
    with pytest.raises(Died):
        reconcile(books.take(), FOREVER)
    assert len(books.place.sql.run("SELECT FROM reconciled_movements")) == 2
    books.till.database.dies_before = ""
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")] * 5
    assert books.receivable() == books.balance()


def test_who_was_killed_keeps_it_for_a_minute_and_no_longer(books: Books) -> None:
    [gateway] = books.till.deps.gateways.that_keep_books()
    killed = books.take()
    books.pay()

    def again() -> Run | None:
        return take(books.till.deps, gateway, books.window)

    assert again() is None
    a_minute_later(books)
    taken = again()
    assert taken is not None
    with pytest.raises(NotDone, match="somebody else"):
        reconcile(killed, FOREVER)
    assert books.place.sql.value("SELECT count(*) FROM reconciled_movements") == 0
    reconcile(taken, FOREVER)
    assert books.place.sql.value("SELECT run FROM reconciliations") == 1


def test_two_at_once_read_the_gateway_s_books_once(books: Books) -> None:
    books.like.control({"skip": -86400})
    for _ in range(3):
        books.pay()
    books.like.control({"skip": 86400})
    begin, done = threading.Barrier(2), []

    def due() -> None:
        begin.wait()
        done.append(reconcile_due(books.till.deps, FOREVER))

    both = [threading.Thread(target=due) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert True in done
    assert books.place.sql.value("SELECT run FROM reconciliations") == 1
    assert books.place.sql.value("SELECT count(*) FROM reconciled_movements") == 3


def test_the_gateway_is_left_alone_for_as_long_as_it_asks(books: Books, slept: list[float]) -> None:
    books.pay()
    for _ in range(2):
        busy = {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
        books.like.say(429, busy, Retry_After="30")
    books.reconcile()
    assert sum(slept) == 60
    assert max(slept) <= patience.SHORT, "it keeps what it has meanwhile"
    assert books.verdicts() == [("charge", "matched")]


def test_after_a_long_list_was_read_whole_the_gateway_is_waited_for_as_before(books: Books, slept: list[float]) -> None:
    for _ in range(3):
        books.pay()
    answers = iter([Unknown("busy", retry_after=30), "an answer"])
    assert patience.patiently(books.reconcile(), FOREVER, lambda: next(answers)) == "an answer"
    assert sum(slept) == 30


def test_a_gateway_that_does_not_answer_is_given_up_and_gone_on_with_later(books: Books, slept: list[float]) -> None:
    books.pay()
    books.like.control({"broken": 1})
    with pytest.raises(NotDone, match="stripe does not answer"):
        books.reconcile()
    assert len(slept) >= patience.MOST_TRIES
    books.like.control({"calm": True})
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")]


def test_where_a_place_in_the_list_is_gone_the_list_is_read_from_its_beginning(books: Books) -> None:
    for _ in range(3):
        books.pay()
    books.till.database.dies_after = "keep_movements"
    with pytest.raises(Died):
        reconcile(books.take(), FOREVER)
    books.till.database.dies_after = ""
    a_minute_later(books)
    place = books.place.sql.value("SELECT place FROM reconciliations")
    books.place.sql.run("UPDATE reconciliations SET place = %s", (place[:-1] + "txn_gone",))
    books.reconcile()
    assert "txn_gone" in pages_read(books)
    assert books.verdicts() == [("charge", "matched")] * 3


def test_yesterday_is_due_until_it_is_reconciled_and_so_is_a_day_that_was_left_out(books: Books) -> None:
    deps = books.till.deps
    [gateway] = deps.gateways.that_keep_books()
    books.like.control({"skip": -86400})
    books.pay()
    [yesterday] = days_due(deps, gateway)
    assert not reconcile_due(deps, 0)
    assert reconcile_due(deps, FOREVER)
    assert days_due(deps, gateway) == []
    read = len(pages_read(books))
    assert reconcile_due(deps, FOREVER)
    assert len(pages_read(books)) == read, "what is done is not done again"
    assert books.place.sql.value("SELECT verdict FROM reconciled_movements") == "matched"
    books.place.sql.run(
        "UPDATE reconciliations SET from_at = from_at - interval '3 days', to_at = to_at - interval '3 days'"
    )
    assert [window.begins for window in days_due(deps, gateway)][-1] == yesterday.begins
    assert len(days_due(deps, gateway)) == 3


def test_a_day_with_what_was_not_yet_due_is_compared_once_a_day_until_all_of_it_is(books: Books) -> None:
    deps, sql = books.till.deps, books.place.sql
    [gateway] = deps.gateways.that_keep_books()
    books.like.control({"skip": -2 * 86400})
    charge = books.pay()
    books.like.books.change(charge, amount=14000)
    sql.run("INSERT INTO gateway_rings (gateway, kind, object_id) VALUES ('stripe', 'charge', %s)", (charge,))
    [yesterday] = days_due(deps, gateway)
    before = day(yesterday.begins.date() - DAY, ZoneInfo("UTC"))
    assert books.reconcile(before).differences == 0
    assert books.verdicts() == [("charge", "not_yet_due")]
    assert days_due(deps, gateway) == [yesterday], "today it was compared already"
    sql.run("UPDATE reconciliations SET finished_at = finished_at - interval '1 day'")
    assert days_due(deps, gateway) == [yesterday, before]
    sql.run("DELETE FROM gateway_rings")
    assert reconcile_due(deps, FOREVER)
    assert books.differences() == [("charge", "amount_differs")]
    sql.run("UPDATE reconciliations SET finished_at = finished_at - interval '1 day' WHERE to_at = %s", (before.ends,))
    assert days_due(deps, gateway) == []


def test_a_day_that_was_compared_before_it_was_over_is_compared_again(books: Books) -> None:
    books.like.control({"skip": -86400})
    books.pay()
    deps = books.till.deps
    [gateway] = deps.gateways.that_keep_books()
    [yesterday] = days_due(deps, gateway)
    since, until, _ = yesterday
    account = account_name(gateway.account)
    a_reconciliation(books.place.sql, account=account, from_at=since, to_at=until, finished_at=since)
    assert reconcile_due(deps, FOREVER)
    assert books.place.sql.value("SELECT verdict FROM reconciled_movements") == "matched"


def test_a_long_list_is_read_in_slices_whole_and_wherever_it_is_stopped(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "page_of", partial(PAGE_OF, at_once=10))
    since, until = (int(moment.timestamp()) for moment in books.window[:2])
    books.like.control({"made": {"count": 500, "since": since, "until": until}})
    kept = iter(range(1_000))
    run = books.take()

    def keep(*found: object) -> None:
        if next(kept) == 17:
            raise Died
        type(run).keep(run, *found)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "keep", keep)
    with pytest.raises(Died):
        reconcile(run, FOREVER)
    before = books.place.sql.value("SELECT count(*) FROM reconciled_movements")
    assert 150 <= before < 400
    assert books.reconcile().movements == 500
    assert books.place.sql.value("SELECT run FROM reconciliations") == 1
    assert len(pages_read(books)) <= 50 + 6 * 3, "what was kept is not read again"
