"""One of two cells loses its database, and then stops as a whole, under load: the other does not notice."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from local.ending import kill
from shared.rules.cells import first_id
from tests.e2e.cells import NUMBERS, Cells
from tests.e2e.client import Answer
from tests.e2e.open_loop import OpenLoop, Payment, Window, once
from tests.e2e.service import await_that
from tests.e2e.test_crowds import numbers
from tests.support.frozen import frozen

# Requests a second to each cell, half of them payments: far from what two cores take, so that no queue of ours is measured.
RATES = dict.fromkeys(NUMBERS, 15.0)
WARM, CALM, DEAD, STOPPED = 1.0, 5.0, 6.0, 3.0  # seconds
# The p99 of a hundred requests is about the slowest of them, and whoever else works on two cores makes it what it is: so it may
# be three times that of the calm before, and so many seconds. (Beside thirty others that wanted the cores it was 39 to 1081 ms
# in the calm, and 102 to 624 ms meanwhile.) A cell that waited for the other would do so for one of its time-outs: the shortest
# is a second, and many would wait.
NOISE, TIMES_CALM = 0.7, 3
SLOWEST = 3.0
NOT_THERE = 7  # a cell that is not in the list


@contextmanager
def database_dead(cells: Cells, name: str) -> Iterator[None]:
    """Every process of this cell's PostgreSQL is killed, and its supervisor starts none again until this is over."""
    cell = cells.cell(name)
    with cell.frozen("supervisord"):
        cell.kill_database()
        yield


@contextmanager
def stopped(cells: Cells, name: str) -> Iterator[None]:
    """All that runs of this cell is killed, its own front door too, and started again when this is over."""
    above = [each for each in cells.processes("supervisord") if not each.environ().get("CELL")]
    assert above
    with frozen(above):
        cells.kill(name)
        kill(cells.cell(name).processes())
        yield


def is_unseen(calm: Window, meanwhile: Window) -> None:
    """No error, and a p99 as in the calm before."""
    print(f"\ncalm:      {calm}\nmeanwhile: {meanwhile}")
    assert meanwhile.statuses() <= {200, 201}, [each for each in meanwhile.told if each.status not in (200, 201)]
    assert meanwhile.percentile(99) < TIMES_CALM * calm.percentile(99) + NOISE
    assert meanwhile.percentile(100) < SLOWEST


def asks_for_patience(window: Window) -> None:
    assert {(each.status, each.patience) for each in window.told} == {(503, True)}, window.told


def answers_again(cells: Cells, payment_id: int) -> None:
    await_that(lambda: once(cells.port, "GET", f"/payments/{payment_id}").status == 200, "the cell answers again")


def all_are_charged_once(cells: Cells, name: str, payments: list[Payment]) -> None:
    """Each key is asked for again until its answer is final."""

    def carry_through(payment: Payment) -> None:
        await_that(lambda: is_final(payment.ask(cells.port)), f"{payment.key} is answered")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(carry_through, payments))
    with cells.cell(name).database() as rows:
        assert numbers(rows, [payment.trip_id for payment in payments]) == (len(payments),) * 5


def is_final(answer: Answer) -> bool:
    return "Retry-After" not in answer.headers


def test_the_loss_of_a_cells_database_is_unseen_in_the_other_and_charges_nothing_twice(cells: Cells) -> None:
    with OpenLoop(cells.port, RATES) as load:
        load.lasts(WARM)
        calm = load.lasts(CALM)
        began = time.monotonic()
        with database_dead(cells, "mumbai"):
            dead = load.lasts(DEAD)
            meanwhile = load.between(began, time.monotonic())
        is_unseen(calm["delhi"], meanwhile["delhi"])
        asks_for_patience(dead["mumbai"])
        answers_again(cells, load.paid["mumbai"][0])
        assert load.lasts(1)["delhi"].statuses() <= {200, 201}
    all_are_charged_once(cells, "mumbai", load.payments["mumbai"])


def test_a_cell_that_is_stopped_is_503_for_its_own_ids_alone(cells: Cells) -> None:
    with OpenLoop(cells.port, RATES) as load:
        load.lasts(WARM)
        calm = load.lasts(CALM)
        began = time.monotonic()
        with stopped(cells, "mumbai"):
            down = load.lasts(STOPPED)
            meanwhile = load.between(began, time.monotonic())
            once(cells.port, "GET", f"/payments/{load.paid['mumbai'][0]}").problem(503, "service_unavailable")
            once(cells.port, "GET", f"/payments/{first_id(NOT_THERE)}").problem(404, "payment_not_found")
        is_unseen(calm["delhi"], meanwhile["delhi"])
        asks_for_patience(down["mumbai"])
        began = time.monotonic()
        answers_again(cells, load.paid["mumbai"][0])
        assert load.between(began, time.monotonic())["delhi"].statuses() <= {200, 201}
    all_are_charged_once(cells, "mumbai", load.payments["mumbai"])
