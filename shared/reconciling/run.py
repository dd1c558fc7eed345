"""A reconciliation under way: whose it is, how far it came, and what it found so far, in the database."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from threading import Event, Lock
from typing import NamedTuple

from shared.charging.dependencies import Dependencies
from shared.gateways.facts import MovementKind
from shared.gateways.protocol import Gateway, account_name
from shared.platform.database import Row
from shared.reconciling.verdict import DIFFERENCES, VERDICTS, Verdict
from shared.reconciling.window import Window

# Seconds for which whoever works on it has it: longer than the slowest page may take, and as long as nobody goes on where
# somebody was killed.
LEASE = 60.0
# Rows that one statement looks at: short enough for any time-out of statements.
TOGETHER = 5_000
# PostgreSQL reads a decimal from a string as well, exactly: this takes a quarter of the time of json_text.write.
_encoder = json.JSONEncoder(ensure_ascii=False, default=str)


class NotDone(Exception):
    """It did not come to its end; the message says why, to people. What was done is kept: the next one goes on there."""


class Found(NamedTuple):
    """A movement and what was found of it, as its row has it (sql/migrations/0027_reconciliation.sql). What it costs, and what
    went to the bank, is entered into the journal as `booked_as`, once; and what it gave back of late payments, of which there
    is no other row."""

    movement: str
    kind: MovementKind
    at: datetime
    object_id: str | None
    charge_id: str | None
    reference: str | None
    payment_id: int | None
    refund_id: int | None
    currency: str
    their_amount: Decimal | None
    our_amount: Decimal | None
    their_status: str | None
    our_status: str | None
    fee: Decimal
    verdict: Verdict
    why: str | None
    booked_as: str | None = None
    booked_bank: Decimal = Decimal(0)
    booked_fees: Decimal = Decimal(0)
    booked_late: Decimal = Decimal(0)


class Run:
    """The reconciliation of one gateway's books over a time, held by this process. `phase` and `place` say where it stands;
    `stopped` tells the threads that work on it to end. Every method raises DatabaseUnavailable, and NotDone where another has
    it by now."""

    def __init__(self, deps: Dependencies, gateway: Gateway, window: Window, row: Row) -> None:
        self.deps = deps
        self.gateway = gateway
        self.window = window
        self.reconciliation_id: int = row["reconciliation_id"]
        self.number: int = row["run"]
        self.phase: str = row["phase"]
        self.place: str | None = row["place"]
        self.movements: int = row["movements"] or 0
        self.differences: int = row["differences"] or 0
        self._lease: datetime | None = row["working_until"]
        self._held_at = time.monotonic()
        self._lock = Lock()
        self.stopped = Event()

    def keep(self, found: Sequence[Found], phase: str, place: str | None) -> None:
        """Keeps what was found up to a place, in one commit: whoever goes on, goes on there."""
        once = {each.movement: each for each in found}
        written = _encoder.encode([_written(each) for each in once.values()])
        with self._lock:
            rows = self.deps.database.run("keep_movements", **self._ours(), phase=phase, place=place, movements=written)
            self._still_ours(rows)
            self.phase, self.place = phase, place

    def hold(self) -> None:
        """Keeps it, where it was not kept for a while, and was not given back."""
        with self._lock:
            if self._lease is not None and time.monotonic() - self._held_at > LEASE / 4:
                self._still_ours(self.deps.database.run("hold_reconciliation", **self._ours()))

    def finish(self) -> None:
        """Deletes what this run did not see again, counts what it found, and gives it back."""
        after, counts = "", dict.fromkeys(VERDICTS, 0)
        of_this = {"reconciliation_id": self.reconciliation_id, "run": self.number}
        while after is not None:
            self.hold()
            rows = self.deps.database.run_again("settle_movements", **of_this, after=after, limit=TOGETHER)
            after = rows[0]["last"]
            for row in rows:
                if row["verdict"]:
                    counts[row["verdict"]] += row["count"]
        found = {
            "count": sum(counts.values()),
            "differences": sum(counts[verdict] for verdict in DIFFERENCES),
            "not_yet_due": counts["not_yet_due"],
        }
        self._still_ours(self.deps.database.run("finish_reconciliation", **self._ours(), **found))
        self.phase, self.place, self._lease = "done", None, None
        self.movements, self.differences = found["count"], found["differences"]

    def give_back(self) -> None:
        """Lets the next one have it at once, if it is still ours."""
        if self._lease is not None:
            self.deps.database.run("hold_reconciliation", **self._ours() | {"lease_seconds": 0.0})
            self._lease = None

    def _ours(self) -> Row:
        return {
            "reconciliation_id": self.reconciliation_id,
            "run": self.number,
            "working_until": self._lease,
            "lease_seconds": LEASE,
        }

    def _still_ours(self, rows: Sequence[Row]) -> None:
        if not rows:
            self._lease = None
            raise NotDone("somebody else goes on with it")
        self._lease, self._held_at = rows[0].get("working_until"), time.monotonic()


def take(deps: Dependencies, gateway: Gateway, window: Window, done_since: datetime | None = None) -> Run | None:
    """Takes the reconciliation of a gateway over a time: goes on with one that was stopped, and begins anew one that is done;
    but one that was finished since `done_since` is given as it is, without a lease. None where somebody else has it. Raises
    DatabaseUnavailable."""
    rows = deps.database.run(
        "lease_reconciliation",
        gateway=gateway.name,
        account=account_name(gateway.account),
        from_at=window.begins,
        to_at=window.ends,
        lease_seconds=LEASE,
        done_since=done_since or "infinity",
    )
    return Run(deps, gateway, window, rows[0]) if rows else None


def _written(found: Found) -> Row:
    row = found._asdict()
    return row | {"at": found.at.isoformat(), "why": found.why and found.why[:500]}
