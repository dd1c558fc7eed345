"""What a reconciliation found, for people: every movement in a CSV file, and a summary of a screen."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from shared.platform.csv_cells import cell
from shared.platform.database import Database, Row
from shared.platform.terminal import printable
from shared.reading.reconciliation import COLUMNS, every_movement
from shared.reconciling.run import Run
from shared.reconciling.verdict import VERDICTS, Verdict
from shared.reconciling.window import Window, day

# Differences that a screen has room for: all are in the file.
MOST_SHOWN = 20


class Counts(NamedTuple):
    """Movements by kind and verdict, and what was paid as fees and to the bank, by currency."""

    verdicts: Counter[tuple[str, Verdict]]
    fees: Counter[str]
    payouts: Counter[str]

    @classmethod
    def none(cls) -> Self:
        return cls(Counter(), Counter(), Counter())

    def add(self, row: Row) -> None:
        self.verdicts[row["kind"], row["verdict"]] += 1
        self.fees[row["currency"]] += row["fee"]
        if row["kind"] == "fee":
            self.fees[row["currency"]] -= row["their_amount"]
        if row["kind"] == "payout":
            self.payouts[row["currency"]] -= row["their_amount"]


def write_csv(database: Database, runs: Sequence[Run], file: Path) -> list[Counts]:
    """Writes every movement of the reconciliations into a file, one row each, streamed; the file is there when it is whole.
    Gives what each of them counted. Raises DatabaseUnavailable and OSError."""
    unfinished = file.with_name(f"{file.name}.part")
    counts = [Counts.none() for _ in runs]
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as text:
            writer = csv.writer(text)
            writer.writerow(COLUMNS)
            for run, counted in zip(runs, counts, strict=True):
                for row in chain.from_iterable(every_movement(database, run.reconciliation_id)):
                    counted.add(row)
                    named = row | {"gateway": run.gateway.name}
                    writer.writerow([cell(named[column]) for column in COLUMNS])
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return counts


def summary(database: Database, run: Run, counts: Counts) -> Iterator[str]:
    """What was found with one gateway, in lines. Raises DatabaseUnavailable."""
    window = run.window
    yield f"{run.gateway.name}, {window.begins:%Y-%m-%d %H:%M:%S} to {window.ends:%Y-%m-%d %H:%M:%S} UTC"
    yield from _table(counts)
    yield from _money("fees", counts.fees)
    yield from _money("paid out", counts.payouts)
    rows = database.run_again("differences_of", reconciliation_id=run.reconciliation_id, after="", limit=MOST_SHOWN)
    yield from map(_difference, rows)
    if run.differences > len(rows):
        yield f"  and {run.differences - len(rows):,} more, all in the file"
    yield f"{run.movements:,} movements, {run.differences:,} of them differ" if run.movements else "nothing moved"


def cash_by_day(database: Database, window: Window, zone: ZoneInfo) -> Iterator[str]:
    """The cash that drivers took on each day that a time touches, of the whole day, in lines. Raises DatabaseUnavailable."""
    first, last = (at.astimezone(zone).date() for at in (window.begins, window.ends - timedelta.resolution))
    days = {"from_at": day(first, zone).begins, "to_at": day(last, zone).ends}
    rows = database.run_again("cash_by_day", zone=zone.key, **days)
    named = f"{first} to {last}" if first < last else first
    yield f"cash with drivers, by whole days ({zone.key}):" if rows else f"no cash was taken: {named} ({zone.key})"
    for row in rows:
        yield f"  {row['day']}  {row['cash']:>16,.2f} {row['currency']}"


def _table(counts: Counts) -> Iterator[str]:
    kinds = sorted({kind for kind, _ in counts.verdicts})
    shown = [verdict for verdict in VERDICTS if any(counts.verdicts[kind, verdict] for kind in kinds)]
    if kinds:
        yield "  " + "".join([f"{'':15}", *(f"{_words(verdict):>16}" for verdict in shown)])
    for kind in kinds:
        yield "  " + "".join(
            [f"{_words(kind):15}", *(f"{counts.verdicts[kind, verdict] or '-':>16}" for verdict in shown)]
        )


def _money(what: str, sums: Counter[str]) -> Iterator[str]:
    for currency, amount in sorted(sums.items()):
        if amount:
            yield f"  {what:15}{Decimal(amount):>16,.2f} {currency}"


def _difference(row: Row) -> str:
    amount = row["our_amount"] if row["their_amount"] is None else row["their_amount"]
    named = row["object_id"] or row["reference"] or ""
    payment = f", payment {row['payment_id']}" if row["payment_id"] else ""
    what = f"{_words(row['verdict'])}: {_words(row['kind'])} {named} ({row['movement']}{payment})"
    return printable(f"  {what} {amount} {row['currency']}: {row['why']}")


def _words(name: str) -> str:
    return name.replace("_", " ")
