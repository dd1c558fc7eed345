"""Two cells on one machine by one command: what each has for itself, and that one starts again while the other goes on."""

import json
import re
import urllib.request
from http.client import IncompleteRead

from shared.rules.cells import cell_of
from tests.e2e.cells import NUMBERS, Cells
from tests.e2e.client import Answer, Client, new_key, new_trip
from tests.e2e.service import await_that


def body(trip_id: int) -> dict[str, object]:
    return {"trip_id": trip_id, "method": "CARD", "amount": 150.00}


def pay(cells: Cells, headers: dict[str, str], prefix: str = "") -> Answer:
    headers = {"Idempotency-Key": new_key()} | headers
    return Client(cells.port).call("POST", f"{prefix}/payments", body(new_trip()), headers)


def test_a_payment_is_taken_by_the_cell_that_path_header_or_host_names_and_found_by_its_id(cells: Cells) -> None:
    for name, number in NUMBERS.items():
        paid = [
            pay(cells, {"Payment-Cell": name}),
            pay(cells, {"Host": f"{name}.localhost:{cells.port}"}),
            pay(cells, {}, f"/cells/{name}"),
        ]
        for answer in paid:
            payment = answer.json
            assert (answer.status, cell_of(payment["payment_id"])) == (201, number), payment
            assert payment["reference"].endswith(f"-{number}")
            assert payment["currency"] == {"mumbai": "INR", "delhi": "USD"}[name]
            assert Client(cells.port).get(f"/payments/{payment['payment_id']}").json == payment


def test_the_start_says_where_each_cell_is(cells: Cells) -> None:
    for name, number in NUMBERS.items():
        assert (
            f"http://localhost:{cells.port}/cells/{name}, number {number}, data in .data/cells/{number},"
            in cells.summary
        )
        assert f"{name:<6}  350 rows of history loaded.\n" in cells.summary


def test_each_cell_has_its_own_neighbours_and_settings(cells: Cells) -> None:
    address = (cells.cell("delhi").data / "run" / "trip-service").read_text().strip()
    over = urllib.request.Request(f"{address}/trips/{998_000_777}/complete", json.dumps({"via": "http"}).encode())
    with urllib.request.urlopen(over, timeout=30) as answer:
        paid = json.load(answer)
    assert (cell_of(paid["payment_id"]), paid["currency"]) == (2, "USD")
    for name, number in NUMBERS.items():
        scraped = (cells.cell(name).data / "run" / "prometheus.yml").read_text()
        assert scraped.count(f'"cell": "{name}"') == 3  # the functions', the front door's, the totals'
        of_all = (cells.folder / ".data" / "cells" / "run" / "prometheus.yml").read_text()
        assert all(target in of_all for target in re.findall(r"127\.0\.0\.1:[0-9]+", scraped))
        for process in cells.cell(name).processes("/functions/create_payment/main.py"):
            its = process.environ()
            assert (its["CELL"], its["CELL_NAME"], "DELHI_CURRENCY" in its) == (str(number), name, False)


def test_an_operators_command_is_for_the_cell_that_it_names(cells: Cells) -> None:
    waiting = Client(cells.port).pay(prefix="/cells/delhi", metadata={"simulate": "timeout"}).json
    for number, found in ((1, False), (2, True)):
        told = cells.command("shared.charging.by_hand", CELL=str(number))
        assert (told.returncode, str(waiting["payment_id"]) in told.stdout) == (0, found), told
    unsaid = cells.command("shared.charging.by_hand")
    assert unsaid.returncode == 2
    assert unsaid.stderr == (
        "Each cell of CELLS has a database of its own. Say which is meant: CELL=1 for mumbai or CELL=2 for delhi.\n"
    )


def test_a_cell_whose_runner_is_killed_starts_again_while_the_other_takes_payments(cells: Cells) -> None:
    before = pay(cells, {"Payment-Cell": "mumbai"}).json
    killed, others = ({process.pid for process in cells.cell(name).processes()} for name in NUMBERS)
    cells.kill("mumbai")

    def answers_again() -> bool:
        assert pay(cells, {"Payment-Cell": "delhi"}).status == 201
        try:
            found = Client(cells.port).get(f"/payments/{before['payment_id']}")
        except IncompleteRead:
            return False  # the cell was killed between the head of its answer and the rest
        assert found.status in (200, 503)
        return found.status == 200 and not killed & {process.pid for process in cells.cell("mumbai").processes()}

    await_that(answers_again, "the cell answers again")
    assert others <= {process.pid for process in cells.cell("delhi").processes()}
