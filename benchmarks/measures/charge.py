"""Charges by one create_payment, beside pgbench with the same statements; then the same keys again."""

from benchmarks.measured import Goal, Measured, Row, Spread, at_least, at_most
from benchmarks.stage import Charging, Stage, Taken, compared

COMPARED = (8, 16)
CURVE = (1, 2, 4, 8, 16, 32)
OF_A_POINT = 3.0  # seconds of each side


def measure(stage: Stage) -> Measured:
    """Throughput and processor time at 8 and 16 clients, round by round, and once at each number of clients for the chart."""
    rows: list[Row] = []
    every: list[Taken] = []
    with stage.databases.copy() as place, stage.charging(place) as charging:
        curve = [_point(charging, clients) for clients in CURVE]
        for clients in COMPARED:
            ours, beside = [], []
            for _ in range(stage.rounds):
                ours.append(charging.ours(clients)[0])
                beside.append(charging.pgbench(clients))
            every += ours
            what = f"charge throughput, {clients} clients"
            rows.append(compared(what, ours, beside, "pgbench", at_least(0.60)))
    rows.append(_processor("function", [one.function for one in every], at_most(1.6)))
    rows.append(_processor("PostgreSQL", [one.postgres for one in every], at_most(1.1)))
    return Measured(rows, {"throughput": curve, "latency": curve})


def replay(stage: Stage) -> Measured:
    """The keys of a run again, beside that run."""
    charged, replayed = [], []
    with stage.databases.copy() as place, stage.charging(place) as charging:
        for _ in range(stage.rounds):
            taken, answers = charging.ours(8)
            charged.append(taken)
            replayed.append(charging.ours(8, again=answers)[0])
    return Measured([compared("replay throughput", replayed, charged, "charges", at_least(4.5))])


def _point(charging: Charging, clients: int) -> dict[str, float]:
    ours, answers = charging.ours(clients, OF_A_POINT)
    pgbench = charging.pgbench(clients, OF_A_POINT)
    return {"clients": clients, "function": ours.rate, "pgbench": pgbench.rate, **answers.latency}


def _processor(whose: str, milliseconds: list[float], goal: Goal) -> Row:
    spread = Spread.of(milliseconds)
    return Row(f"processor of a charge, {whose}", spread, "ms", f"{spread} ms, user and system", goal=goal)
