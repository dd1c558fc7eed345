"""What a gateway has and the books lost, as after a restore: entered again, because a person says so."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.gateways.facts import ChargeFact, Kind
from shared.gateways.protocol import Unknown
from shared.late.answer import answer_now
from shared.late.ring import By, ring
from shared.platform.database import Row
from shared.reconciling.lost_charge import Entered, enter_charge, is_ours
from shared.reconciling.patience import patiently
from shared.reconciling.run import NotDone, Run
from shared.reconciling.verdict import OBJECTS

# Differences that one statement reads.
AT_ONCE = 100
FOREVER = float("inf")


class Adoption(NamedTuple):
    """What is to be entered, by the names that the gateway has for it or its movements, or our references; None for all that is
    missing. `by`: who says so, and why."""

    names: frozenset[str] | None
    by: By

    def takes(self, *names: str | None) -> bool:
        return self.names is None or not self.names.isdisjoint(name for name in names if name)


def adopt(run: Run, adoption: Adoption) -> Iterator[Entered]:
    """Enters what a reconciliation found missing here, and what of the charges that were made in its time is in no book, paid or
    not; says of each what became of it. Begun again it enters what is still missing.

    Charges that were not paid come first, so that each is settled before the fare of its trip is taken by the one that was;
    refunds and disputes come last, when their payments are there. Raises NotDone where the gateway does not answer, and
    DatabaseUnavailable.
    """
    yield from _listed(run, adoption, paid=False)
    yield from _listed(run, adoption, paid=True)
    for row in _missing(run, adoption):
        if row["kind"] == "charge":
            yield from _read(run, adoption, row["object_id"])
    for row in _missing(run, adoption):
        if row["kind"] in OBJECTS and row["kind"] != "charge":
            yield _followed(run, adoption, OBJECTS[row["kind"]], row["object_id"])


def _listed(run: Run, adoption: Adoption, *, paid: bool) -> Iterator[Entered]:
    """Those of the gateway's charges that were made in the time of the run."""
    gateway, window, timeout = run.gateway, run.window, run.deps.settings.gateway_timeout
    place: str | None = None
    while True:
        page = patiently(run, FOREVER, lambda: gateway.list_charges(window.begins, window.ends, place, timeout))
        if isinstance(page, Unknown):
            raise NotDone(f"{gateway.name}'s list of charges does not go on: {page.why}")
        yield from _enter(run, adoption, [fact for fact in page.charges if (fact.status == "succeeded") == paid])
        if page.after is None:
            return
        place = page.after


def _read(run: Run, adoption: Adoption, charge_id: str) -> Iterator[Entered]:
    """A charge that was made before that time, and paid in it."""
    gateway, timeout = run.gateway, run.deps.settings.gateway_timeout
    fact = patiently(run, FOREVER, lambda: gateway.read("charge", charge_id, timeout))
    if isinstance(fact, ChargeFact):
        yield from _enter(run, adoption, [fact])


def _enter(run: Run, adoption: Adoption, facts: list[ChargeFact]) -> Iterator[Entered]:
    ours = {
        fact.gateway_id: fact for fact in facts if is_ours(fact) and adoption.takes(fact.gateway_id, fact.reference)
    }
    if not ours:
        return
    rows = run.deps.database.run_again(
        "charges_not_here",
        gateway=run.gateway.name,
        gateway_ids=list(ours),
        references=[fact.reference for fact in ours.values()],
    )
    for row in rows:
        yield enter_charge(run.deps, run.gateway, ours[row["gateway_id"]], adoption.by)


def _missing(run: Run, adoption: Adoption) -> Iterator[Row]:
    after = ""
    of_this = {"reconciliation_id": run.reconciliation_id, "limit": AT_ONCE}
    while rows := run.deps.database.run_again("differences_of", **of_this, after=after):
        for row in rows:
            names = (row["movement"], row["object_id"], row["reference"])
            if row["verdict"] == "missing_here" and row["object_id"] and adoption.takes(*names):
                yield row
        after = rows[-1]["movement"]


def _followed(run: Run, adoption: Adoption, kind: Kind, object_id: str) -> Entered:
    """Has the books follow a refund or a dispute, as if its gateway had rung: the room of late truth knows how."""
    deps, gateway = run.deps, run.gateway.name
    ring(deps.database, gateway, kind, object_id)
    if not answer_now(deps, gateway, kind, object_id, adoption.by):
        return Entered(object_id, None, f"the {kind} is left to a sweep: see gateway_rings")
    if kind == "dispute":
        return Entered(object_id, None, "the dispute was read, and the books follow it where its payment is there")
    known = {"gateway": gateway, "gateway_id": object_id, "reference": None, "charge_id": None}
    row = deps.database.one("refund_read", **known)
    if row is None:
        return Entered(object_id, None, "the refund is of no payment of ours, or moved nothing")
    payment_id, refund = row["payment_id"], f"refund {row['refund_id']} of payment {row['payment_id']}"
    return Entered(object_id, payment_id, f"{refund}: {row['amount']} {row['currency']}, {row['status']}")
