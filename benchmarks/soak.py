"""`make soak`: a day's requests at 70 % of the peak, for ten minutes, and whether anything grows, errs or slows.

    .venv/bin/python -m benchmarks.soak [--seconds 600] [--share 0.7] [--rate 0] [--warming 5] [--seed 1]

Everything as it runs: Envoy in front, every function as the image serves it, sweeps every five seconds, events through notify
to the Notification Service's stand-in, PostgreSQL with fsync. First the peak, by clients that ask again as soon as they are
answered (or `--rate`, requests a second); then requests evenly at that share of it, whatever the answers take, each timed from
when it should have begun. Then the books are compared with what the clients were told. Clients, service and database share this
machine. Results: benchmarks/results/soak.json and soak.md; the exit status tells whether all held.
"""

import argparse
import asyncio
import gc
import signal
import sys
import time
from contextlib import ExitStack
from statistics import median, quantiles
from types import FrameType

import aiohttp

from benchmarks import open_loop
from benchmarks.day import Day, Told
from benchmarks.figures import Figure, write
from benchmarks.stand import Stand
from benchmarks.trend import Watch, growth, more

CLIENTS = 16
GARBAGE = 20_000  # objects that the clients make before they look for garbage
RAMP, SETTLING = 15.0, 30.0
SLOWER = 5.0  # p99 by p50, at most
GROWS = 2.0  # memory, percent of it, by its trend over the second half, at most
MORE = 10.0  # what comes and goes, percent, in the second half beside the first, at most
COMES_AND_GOES = "postgres"  # a process for each connection, none older than DB_MAX_LIFETIME
UNSETTLED = (
    "SELECT (SELECT count(*) FROM payments WHERE status = 'PENDING') + count(*) FROM outbox WHERE delivered_at IS NULL"
)
CHARGED = "SELECT payment_id, amount FROM payments WHERE status IN ('SUCCESS', 'REFUNDED')"
REFUNDED = "SELECT refund_id, amount FROM payment_refunds WHERE status = 'REFUNDED'"
ALL = "SELECT count(*) FROM payments"
SIZE = "SELECT pg_database_size(current_database()) AS size, pg_current_wal_lsn() - '0/0' AS wal"
DECLINED = "SELECT count(*) FROM payments WHERE status = 'FAILED'"


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps the service busy for long, and looks at what grows.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--rate", type=float, default=0, help="requests a second, in place of a share of the peak")
    parser.add_argument("--warming", type=float, default=5, help="seconds of load before anything is measured")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as ending:
            figures = _soak(Stand(ending), options)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing is left running.")
    sys.exit(0 if all(figure.held for figure in figures) else 1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _soak(stand: Stand, options: argparse.Namespace) -> list[Figure]:
    used, before = time.process_time(), stand.place.sql.run(SIZE)[0]
    with Watch(stand.groups, stand.connections) as watch:
        peak, rate, not_begun, told = asyncio.run(_load(stand, watch, options))
    used = time.process_time() - used
    settled, after = stand.settle(UNSETTLED, SETTLING), stand.place.sql.run(SIZE)[0]
    figures = [
        Figure("peak", peak, "requests/s"),
        Figure("rate", rate, "requests/s"),
        Figure("errors", told.errors + not_begun, "", goal=0),
        *_latencies(told),
        *_held(watch),
        Figure("left unsettled or undelivered", settled, "", goal=0),
        *_books(told, stand),
        Figure(
            "the database grows", float(after["size"] - before["size"]) / len(told.payments) / 1024, "KiB a payment"
        ),
        Figure("write-ahead log", float(after["wal"] - before["wal"]) / len(told.payments) / 1024, "KiB a payment"),
        Figure("processor of the clients", 100 * used / (options.warming + RAMP + options.seconds), "% of a core"),
    ]
    series = {name: held.series() for name, held in watch.held.items()}
    write("soak", f"A soak of {options.seconds:g} s", vars(options), figures, series)
    for complaint in told.complaints:
        print(complaint)
    return figures


async def _load(stand: Stand, watch: Watch, options: argparse.Namespace) -> tuple[float, float, int, Told]:
    """The peak, the rate, how many requests could not be begun at that rate, and what the clients were told."""
    connector = aiohttp.TCPConnector(limit=open_loop.MOST_UNDER_WAY)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=40)) as session:
        day = Day(session, stand.url, options.seed)
        await open_loop.as_fast_as_answered(day, CLIENTS, options.warming)
        # A pause of the clients would look like one of the service.
        gc.freeze()
        gc.set_threshold(GARBAGE)
        peak = options.rate or await open_loop.as_fast_as_answered(day, CLIENTS, RAMP)
        rate = options.rate or options.share * peak
        print(f"Peak {peak:.0f} requests/s; {options.seconds:g} s at {rate:.0f}/s.", flush=True)
        day.told.took.clear()
        watch.held.clear()
        not_begun = await open_loop.run(day, rate, options.seconds)
        return peak, rate, not_begun, day.told


def _latencies(told: Told) -> list[Figure]:
    every = sorted(took for kind in told.took.values() for took in kind)
    cuts = quantiles(every, n=1000)
    figures = [
        Figure("answers", len(every), ""),
        Figure("p50", 1000 * cuts[499], "ms"),
        Figure("p99", 1000 * cuts[989], "ms"),
        Figure("p99.9", 1000 * cuts[998], "ms"),
        Figure("p99 by p50", cuts[989] / cuts[499], "×", goal=SLOWER),
    ]
    for kind, took in sorted(told.took.items()):
        if len(took) > 1:
            figures.append(Figure(f"{kind}: p50", 1000 * median(took), "ms"))
            figures.append(Figure(f"{kind}: p99", 1000 * quantiles(took, n=100)[98], "ms"))
    return figures


def _held(watch: Watch) -> list[Figure]:
    figures = []
    for name, held in watch.held.items():
        figures.append(Figure(f"{name}: memory", held.memory[-1], "MiB"))
        figures.append(Figure(f"{name}: descriptors", max(held.descriptors), ""))
        if name == COMES_AND_GOES:
            # Of its descriptors most are files, kept open for when they are needed again: what could leak are connections.
            figures.append(Figure(f"{name}: memory, more later", 100 * more(held.memory), "%", goal=MORE))
        else:
            figures.append(Figure(f"{name}: memory grows", 100 * growth(held.moments, held.memory), "%", goal=GROWS))
            figures.append(Figure(f"{name}: descriptors, more later", 100 * more(held.descriptors), "%", goal=MORE))
        if held.connections:
            figures.append(Figure(f"{name}: connections", max(held.connections), ""))
            figures.append(Figure(f"{name}: connections, more later", 100 * more(held.connections), "%", goal=MORE))
    return figures


def _books(told: Told, stand: Stand) -> list[Figure]:
    """Each 201 is one payment or refund of that amount, nothing else was charged, and the totals are the sum of it."""
    sql, totals = stand.place.sql, stand.totals()
    charged = {row["payment_id"]: round(100 * row["amount"]) for row in sql.run(CHARGED)}
    refunded = {row["refund_id"]: round(100 * row["amount"]) for row in sql.run(REFUNDED)}
    revenue = round(100 * totals["total_revenue"])
    return [
        Figure("payments told", len(told.payments), ""),
        Figure("payments that differ from what was told", len(charged.items() ^ told.payments.items()), "", goal=0),
        Figure("refunds told", len(told.refunds), ""),
        Figure("refunds that differ from what was told", len(refunded.items() ^ told.refunds.items()), "", goal=0),
        Figure("declines that differ", abs(sql.value(DECLINED) - told.declined), "", goal=0),
        Figure("revenue differs by", abs(revenue - sum(charged.values()) + sum(refunded.values())) / 100, "", goal=0),
        Figure("totals differ by", abs(sum(totals["payments_by_status"].values()) - sql.value(ALL)), "", goal=0),
    ]


if __name__ == "__main__":
    main()
