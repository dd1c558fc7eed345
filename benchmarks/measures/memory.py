"""What a worker holds after a thousand requests, beside that of a function of one line."""

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from benchmarks import requests
from benchmarks.measured import Measured, Row, Spread, at_most, ratios
from benchmarks.serving import HELLO, InTheImage
from benchmarks.stage import Stage

CLIENTS = 8
EACH = 125
MIB = 1 << 20


def measure(stage: Stage) -> Measured:
    """The resident size of create_payment's worker, of a new process each time."""
    ours, beside = [], []
    with stage.databases.copy() as place:
        for _ in range(stage.rounds):
            with stage.functions([HELLO, "create_payment"], place.environment) as functions:
                beside.append(_after_a_thousand(functions, HELLO))
                ours.append(_after_a_thousand(functions, "create_payment"))
    row = Row(
        "memory of create_payment",
        ratios(ours, beside),
        "×",
        f"{Spread.of(ours)} MiB",
        f"one line {Spread.of(beside)} MiB",
        at_most(1.35),
    )
    return Measured([row])


def _after_a_thousand(functions: InTheImage, name: str) -> float:
    connections = [requests.connection(functions.ports[name]) for _ in range(CLIENTS)]

    def ask(connection: HTTPConnection) -> None:
        for _ in range(EACH):
            requests.ask(connection, requests.good(name, 0))
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(ask, connections))
    return float(functions.worker(name).memory_info().rss) / MIB
