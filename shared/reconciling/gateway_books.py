"""What a gateway moved, page by page, beside what the books have of it."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from shared.gateways.facts import Movement, MovementPage
from shared.gateways.protocol import Unknown
from shared.reconciling.patience import patiently
from shared.reconciling.run import Found, NotDone, Run
from shared.reconciling.verdict import OBJECTS, Ours, judge, our_amount

# A list that loses its place so often does not hold still.
MOST_BEGINNINGS = 5

# Is told how far a reading came: the time of the movement that was read last.
Heard = Callable[[datetime], None]


def read_gateway_books(run: Run, until: float, heard: Heard) -> None:
    """Reads the gateway's movements from where the run stands to the end of the list, and keeps what each is beside ours.
    Raises NotDone and DatabaseUnavailable."""
    gateway = run.gateway
    beginnings = 1
    while run.phase == "gateway":
        page = patiently(run, until, partial(_list, run))
        if isinstance(page, Unknown):
            if beginnings == MOST_BEGINNINGS:
                raise NotDone(f"{gateway.name}'s list does not go on: {page.why}")
            run.keep([], "gateway", None)
            beginnings += 1
            continue
        ours = _beside(run, page.movements)
        found = [_found(moved, ours.get(moved.movement)) for moved in page.movements]
        run.keep(found, "gateway" if page.after else "books", page.after)
        if found:
            heard(found[-1].at)
        if page.after and time.monotonic() >= until:
            raise NotDone("its time is up")


def _list(run: Run) -> MovementPage | Unknown:
    window = run.window
    return run.gateway.list_movements(window.begins, window.ends, run.place, run.deps.settings.gateway_timeout)


def _beside(run: Run, movements: Sequence[Movement]) -> dict[str, Ours]:
    """What the books have of each movement, by its name."""
    rows = run.deps.database.run_again(
        "beside_movements",
        gateway=run.gateway.name,
        movements=[moved.movement for moved in movements],
        object_kinds=[OBJECTS.get(moved.kind) for moved in movements],
        object_ids=[moved.object_id for moved in movements],
        charge_ids=[moved.charge_id for moved in movements],
        references=[moved.reference for moved in movements],
    )
    return {
        row["movement"]: Ours(**{name: row[name] for name in Ours._fields})
        for row in rows
        if row["payment_id"] is not None
    }


def _found(moved: Movement, ours: Ours | None) -> Found:
    verdict, why = judge(moved, ours)
    row = None if verdict == "missing_here" else ours
    found = Found(
        movement=moved.movement,
        kind=moved.kind,
        at=moved.at,
        object_id=moved.object_id,
        charge_id=moved.charge_id,
        reference=moved.reference,
        payment_id=ours and ours.payment_id,
        refund_id=row and row.refund_id,
        currency=moved.currency,
        their_amount=moved.amount,
        our_amount=our_amount(moved, row),
        their_status=moved.status,
        our_status=row and row.status,
        fee=moved.fee,
        verdict=verdict,
        why=why,
    )
    return _booked(found)


def _booked(found: Found) -> Found:
    """With what is to be entered into the journal: of what the books have, or will have, the fee; a fee by itself, and what
    went to the bank."""
    amount, fee = found.their_amount or Decimal(0), found.fee
    match found.kind:
        case "payout":
            return found._replace(booked_as=f"payout {found.movement}", booked_bank=-amount, booked_fees=fee)
        case "fee" if amount != fee:
            return found._replace(booked_as=f"fee {found.movement}", booked_fees=fee - amount)
        case "charge" | "refund" | "refund_failure" | "dispute" if fee and found.verdict != "missing_here":
            return found._replace(booked_as=f"fee {found.movement}", booked_fees=fee)
    return found
