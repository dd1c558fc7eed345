"""From the start of a process to its first successful answer, each function beside a function of one line, by turns."""

import time
from statistics import mean, median, quantiles
from typing import NamedTuple

from benchmarks import requests
from benchmarks.measured import Goal, Measured, NotMeasured, Row, Spread, at_most
from benchmarks.serving import HELLO, InTheImage
from benchmarks.stage import SETTINGS, Stage
from tests.support.cluster import Place

ROUNDS = 15
PATIENCE = 30.0
CHARGING, OTHERS = at_most(1.30), at_most(1.15)
GOALS: dict[str, Goal] = {
    "create_payment": CHARGING,
    "create_refund": CHARGING,
    "get_payment": OTHERS,
    "health": OTHERS,
    "metrics": OTHERS,
    "notify": OTHERS,
    "sweep": OTHERS,
    "dead_letters": OTHERS,
    "charge_trip": CHARGING,
    "reconcile": OTHERS,
}


class Start(NamedTuple):
    """Milliseconds until the answer, and of processor until then."""

    wall: float
    processor: float


def measure(stage: Stage) -> Measured:
    """Fifteen starts of each, after one that warms the disk, each right after one of the function of one line."""
    rows: list[Row] = []
    walls: dict[str, float] = {}
    with stage.databases.copy() as place:
        payment_id = refundable(stage, place)
        functions = InTheImage(stage.image, (HELLO, *GOALS), settings(stage, place))
        try:
            pairs = _pairs(functions, payment_id)
        finally:
            functions.stop()
    for name, starts in pairs.items():
        beside, ours = [one for one, _ in starts], [other for _, other in starts]
        walls |= {name: median(start.wall for start in ours), HELLO: median(start.wall for start in beside)}
        used = mean(start.processor for start in ours) / mean(start.processor for start in beside)
        told = f"{in_words(ours)}; {used:.2f} × its processor time", f"one line {in_words(beside)}"
        rows.append(Row(f"cold start, {name}", ratio(ours, beside), "×", *told, GOALS[name]))
    return Measured(rows, {"cold_starts": walls})


def _pairs(functions: InTheImage, payment_id: int) -> dict[str, list[tuple[Start, Start]]]:
    pairs: dict[str, list[tuple[Start, Start]]] = {name: [] for name in GOALS}
    for turn in range(ROUNDS + 1):
        for name in GOALS:
            pair = _good(functions, HELLO, payment_id), _good(functions, name, payment_id)
            if turn:
                pairs[name].append(pair)
    return pairs


def _good(functions: InTheImage, name: str, payment_id: int) -> Start:
    return start(functions, name, requests.good(name, payment_id))


def start(functions: InTheImage, name: str, request: requests.Request) -> Start:
    """A start of a function until it has answered this request; it is killed then."""
    began = time.monotonic()
    functions.start(name)
    _first_answer(functions, name, request, began + PATIENCE)
    wall = time.monotonic() - began
    processor = functions.seconds_of(name)
    functions.kill(name)
    return Start(1000 * wall, 1000 * processor)


def _first_answer(functions: InTheImage, name: str, request: requests.Request, deadline: float) -> None:
    """Whoever connects as soon as the server listens is answered as soon as the function is there."""
    while True:
        connection = requests.connection(functions.ports[name])
        try:
            requests.ask(connection, request)
            return
        except OSError:
            if time.monotonic() > deadline or functions.process(name).poll() is not None:
                raise NotMeasured(f"{name} does not come up: {functions.log(name)[-500:]}") from None
            time.sleep(0.001)
        finally:
            connection.close()


def ratio(ours: list[Start], beside: list[Start]) -> Spread:
    """Of the medians; from that of the lower quartiles, which other work here disturbs least, to that of the upper."""
    quarters = [quantiles([start.wall for start in starts]) for starts in (ours, beside)]
    by_quarter = [one / other for one, other in zip(*quarters, strict=True)]
    return Spread(by_quarter[1], min(by_quarter), max(by_quarter))


def in_words(starts: list[Start]) -> str:
    """Their middle and lower quarter, and the processor time."""
    lower, middle, _ = quantiles([start.wall for start in starts])
    used = mean(start.processor for start in starts)
    return f"{middle:.0f} ms, lower quartile {lower:.0f} ms ({used:.0f} ms processor)"


def settings(stage: Stage, place: Place) -> dict[str, str]:
    """Of every function: its database and its neighbours."""
    trips, sink = stage.neighbours.trips, stage.neighbours.sink
    around = {"TRIP_SERVICE_URL": trips, "NOTIFICATION_SERVICE_URL": trips, "K_SINK": sink}
    return {**SETTINGS, **around, **place.environment}


def refundable(stage: Stage, place: Place) -> int:
    """The id of a payment that was charged as today's functions charge."""
    with stage.functions(["create_payment"], place.environment) as functions:
        connection = requests.connection(functions.ports["create_payment"])
        requests.ask(connection, requests.good("create_payment", 0))
        connection.close()
    return int(place.sql.value("SELECT max(payment_id) FROM payments"))
