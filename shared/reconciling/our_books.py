"""What the books have, and no list of the gateway's: each is read there by its name."""

import time
from datetime import datetime
from decimal import Decimal

from shared.gateways.facts import Fact
from shared.gateways.protocol import Unknown, account_name
from shared.platform.database import Row
from shared.reconciling.gateway_books import Heard
from shared.reconciling.patience import patiently
from shared.reconciling.run import Found, NotDone, Run
from shared.reconciling.verdict import OBJECTS, Entry, charge_of, judge_entry

# Entries that one statement looks at.
TOGETHER = 500


def read_our_books(run: Run, until: float, heard: Heard) -> None:
    """Looks through the journal of that time from where the run stands, and keeps what each entry is that no movement of the
    gateway's is. Raises NotDone and DatabaseUnavailable."""
    while rows := _not_seen(run):
        for row in rows:
            if row["entry_id"] is not None:
                found = _ask(run, until, Entry(**{name: row[name] for name in Entry._fields}))
                _keep(run, row["at"], row["entry_id"], found)
        last_at = rows[0]["last_at"]
        _keep(run, last_at, rows[0]["last_id"])
        heard((last_at - run.window.begins) / (run.window.ends - run.window.begins))
        if time.monotonic() >= until:
            raise NotDone("its time is up")


def _not_seen(run: Run) -> list[Row]:
    after_at, _, after_id = (run.place or f"{run.window.begins.isoformat()} 0").partition(" ")
    return run.deps.database.run_again(
        "entries_not_seen",
        gateway=run.gateway.name,
        account=account_name(run.gateway.account),
        reconciliation_id=run.reconciliation_id,
        run=run.number,
        from_at=run.window.begins,
        to_at=run.window.ends,
        after_at=after_at,
        after_id=after_id,
        limit=TOGETHER,
    )


def _ask(run: Run, until: float, entry: Entry) -> Found:
    gateway, kind, object_id = run.gateway, OBJECTS[entry.kind], entry.object_id
    fact: Fact | None = None
    if object_id is not None:
        timeout = run.deps.settings.gateway_timeout
        read = patiently(run, until, lambda: gateway.read(kind, object_id, timeout))
        if isinstance(read, Unknown):
            raise NotDone(f"{gateway.name} does not show {object_id}: {read.why}")
        fact = read
    verdict, why = judge_entry(entry, fact, run.window)
    return Found(
        movement=f"ours {entry.entry_id}",
        kind=entry.kind,
        at=entry.at,
        object_id=object_id,
        charge_id=charge_of(entry, fact),
        reference=entry.reference,
        payment_id=entry.payment_id,
        refund_id=entry.refund_id,
        currency=entry.currency,
        their_amount=None,
        our_amount=entry.amount,
        their_status=fact and fact.status,
        our_status=entry.status,
        fee=Decimal(0),
        verdict=verdict,
        why=why,
    )


def _keep(run: Run, at: datetime, entry_id: int, *found: Found) -> None:
    run.keep(found, "books", f"{at.isoformat()} {entry_id}")
