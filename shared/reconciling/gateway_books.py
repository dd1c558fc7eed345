"""What a gateway moved, page by page, beside what the books have of it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from functools import partial
from threading import Lock

from shared.gateways.facts import Movement, MovementPage
from shared.gateways.protocol import Unknown
from shared.reconciling.patience import patiently
from shared.reconciling.run import Found, NotDone, Run
from shared.reconciling.slices import MOST, Slice, Slices, after_the_second_of
from shared.reconciling.verdict import OBJECTS, Ours, gave_back_late_charge, judge, our_amount

# A list that loses its place so often does not hold still.
MOST_BEGINNINGS = 5

# Is told which share of it is read.
Heard = Callable[[float], None]


def read_gateway_books(run: Run, until: float, heard: Heard) -> None:
    """Reads the gateway's movements from where the run stands to the end of the list, and keeps what each is beside ours: the
    newest page, and where there are more, the rest in several slices at once. Raises NotDone and DatabaseUnavailable."""
    if run.place is None:
        page = _page(run, until, Slice(run.window.begins, run.window.ends))
        if page.after is None:
            run.keep(_found(run, page), "books", None)
            return
        left = Slices.cut(run.window.begins, after_the_second_of(page.movements[-1].at))
        run.keep(_found(run, page), "gateway", left.written())
    reading = _Reading(run, until, heard)
    with ThreadPoolExecutor(MOST, "reconciling") as workers:
        try:
            numbers = range(len(reading.slices.parts))
            readers = [workers.submit(copy_context().run, reading.read, number) for number in numbers]
            for each in readers:
                each.result()
        except BaseException:
            run.stopped.set()
            raise


class _Reading:
    """The slices of one reading; `read` is run for all of them at once, and what is left is theirs together."""

    def __init__(self, run: Run, until: float, heard: Heard) -> None:
        self._run = run
        self._until = until
        self._heard = heard
        self._lock = Lock()
        self.slices = Slices.read(run.window.begins, run.place or "")
        self._left = [0.0 if part.is_read else 1.0 for part in self.slices.parts]

    def read(self, number: int) -> None:
        """Reads a slice to its end, or until another failed."""
        try:
            part = self.slices.parts[number]
            while not part.is_read and not self._run.stopped.is_set():
                if time.monotonic() >= self._until:
                    raise NotDone("its time is up")
                page = _page(self._run, self._until, part)
                part = part._replace(after=page.after, is_read=page.after is None)
                self._keep(number, part, page)
        except BaseException:
            self._run.stopped.set()
            raise

    def _keep(self, number: int, part: Slice, page: MovementPage) -> None:
        found = _found(self._run, page)
        with self._lock:
            slices = self.slices.with_part(number, part)
            is_read = slices.are_read()
            self._run.keep(found, "books" if is_read else "gateway", None if is_read else slices.written())
            self.slices = slices  # and not before: what another keeps must not pass what this one lost
            oldest = part.begins if part.is_read else page.movements[-1].at
            self._left[number] = (oldest - part.begins) / (part.ends - part.begins)
            self._heard(1 - sum(self._left) / len(self._left))


def _page(run: Run, until: float, part: Slice) -> MovementPage:
    """The next page of a slice; the first where its place is gone."""
    why = ""
    for _ in range(MOST_BEGINNINGS):
        timeout = run.deps.settings.gateway_timeout
        page = patiently(run, until, partial(run.gateway.list_movements, part.begins, part.ends, part.after, timeout))
        if not isinstance(page, Unknown):
            return page
        part, why = part._replace(after=None), page.why
    raise NotDone(f"{run.gateway.name}'s list does not go on: {why}")


def _found(run: Run, page: MovementPage) -> list[Found]:
    ours = _beside(run, page.movements)
    cell = run.deps.settings.cell
    return [_what_is_found(moved, ours.get(moved.movement), cell) for moved in page.movements]


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


def _what_is_found(moved: Movement, ours: Ours | None, cell: int) -> Found:
    verdict, why = judge(moved, ours, cell)
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
    if row is not None and gave_back_late_charge(moved, row):
        found = found._replace(booked_late=-moved.amount)
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
