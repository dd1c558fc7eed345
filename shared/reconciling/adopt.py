"""What a gateway has and the books lost, as after a restore: entered again, because a person says so."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from shared.gateways.facts import ChargeFact, Kind
from shared.gateways.protocol import Unknown
from shared.late.answer import answer_now
from shared.late.ring import By, ring
from shared.platform.database import Row
from shared.reconciling.lost_charge import Entered, bears_ours, enter_charge, of_another
from shared.reconciling.patience import patiently
from shared.reconciling.run import NotDone, Run
from shared.reconciling.verdict import OBJECTS

# Differences that one statement reads.
AT_ONCE = 100
FOREVER = float("inf")


class Adoption:
    """What is to be entered, by the names that the gateway has for it or its movements, or our references; None for all that is
    missing. `by`: who says so, and why."""

    def __init__(self, names: frozenset[str] | None, by: By) -> None:
        self.names = names
        self.by = by
        self.tried: set[str] = set()

    def takes(self, *names: str | None) -> bool:
        return self.names is None or not self.names.isdisjoint(names)

    def tries(self, *names: str | None) -> None:
        self.tried.update(name for name in names if name)


def adopt(run: Run, adoption: Adoption) -> Iterator[Entered]:
    """Enters what a reconciliation found missing here, and what of the charges that were made in its time is in no book, paid
    or not; says of each what became of it. Begun again it enters what is still missing.

    Charges that were not paid come first, so that each is settled before the fare of its trip is taken by the one that was;
    refunds and disputes come last, when their payments are there. What is another cell's is not entered, and only said where it
    was named. Raises NotDone where the gateway does not answer, and DatabaseUnavailable.
    """
    yield from _listed(run, adoption, paid=False)
    yield from _listed(run, adoption, paid=True)
    for page in _missing(run, adoption):
        yield from _read(
            run,
            adoption,
            [row for row in page if row["kind"] == "charge" and _concerns(run, adoption, row["reference"])],
        )
    for page in _missing(run, adoption):
        for row in page:
            if row["kind"] != "charge" and row["object_id"] not in adoption.tried:
                adoption.tries(row["object_id"], row["reference"])
                theirs = of_another(row["reference"], run.deps.settings.cell)
                if theirs is None:
                    yield _followed(run, adoption, OBJECTS[row["kind"]], row["object_id"], row["charge_id"])
                elif adoption.names is not None:
                    yield Entered(row["object_id"], None, theirs)
    for name in sorted((adoption.names or frozenset()) - adoption.tried):
        yield Entered(name, None, "nothing of this name is missing here")


def _concerns(run: Run, adoption: Adoption, reference: str | None) -> bool:
    """Whether a charge that bears it is looked at: ours, and what is another cell's where somebody named it."""
    cell = run.deps.settings.cell
    return bears_ours(reference, cell) or (adoption.names is not None and of_another(reference, cell) is not None)


def _listed(run: Run, adoption: Adoption, *, paid: bool) -> Iterator[Entered]:
    """Those of the gateway's charges that were made in the time of the run."""
    gateway, window, timeout = run.gateway, run.window, run.deps.settings.gateway_timeout
    place: str | None = None
    while True:
        page = patiently(run, FOREVER, partial(gateway.list_charges, window.begins, window.ends, place, timeout))
        if isinstance(page, Unknown):
            raise NotDone(f"{gateway.name}'s list of charges does not go on: {page.why}")
        named = [
            fact
            for fact in page.charges
            if _concerns(run, adoption, fact.reference) and adoption.takes(fact.gateway_id, fact.reference)
        ]
        facts = {fact.gateway_id: fact for fact in named if (fact.status == "succeeded") == paid}
        for charge_id in _not_here(run, {name: fact.reference for name, fact in facts.items()}):
            adoption.tries(charge_id, facts[charge_id].reference)
            yield enter_charge(run.deps, gateway, facts[charge_id], adoption.by)
        if page.after is None:
            return
        place = page.after


def _read(run: Run, adoption: Adoption, rows: Sequence[Row]) -> Iterator[Entered]:
    """Charges that were made before that time, and paid in it."""
    gateway, timeout = run.gateway, run.deps.settings.gateway_timeout
    untried = {row["object_id"]: row["reference"] for row in rows if row["object_id"] not in adoption.tried}
    for charge_id in _not_here(run, untried):
        adoption.tries(charge_id, untried[charge_id])
        fact = patiently(run, FOREVER, partial(gateway.read, "charge", charge_id, timeout))
        if isinstance(fact, ChargeFact):
            yield enter_charge(run.deps, gateway, fact, adoption.by)


def _not_here(run: Run, references: Mapping[str, str | None]) -> list[str]:
    """Which charges are in no book, of those with these names and references."""
    if not references:
        return []
    named = {"gateway_ids": list(references), "references": list(references.values())}
    rows = run.deps.database.run_again("charges_not_here", gateway=run.gateway.name, **named)
    return [row["gateway_id"] for row in rows]


def _missing(run: Run, adoption: Adoption) -> Iterator[list[Row]]:
    """What the reconciliation found missing here and is to be entered, page by page."""
    after = ""
    of_this = {"reconciliation_id": run.reconciliation_id, "limit": AT_ONCE}
    while rows := run.deps.database.run_again("differences_of", **of_this, after=after):
        after = rows[-1]["movement"]
        missing = [
            row for row in rows if row["verdict"] == "missing_here" and row["object_id"] and row["kind"] in OBJECTS
        ]
        page = [row for row in missing if adoption.takes(row["movement"], row["object_id"], row["reference"])]
        adoption.tries(*[row["movement"] for row in page])
        yield page


def _followed(run: Run, adoption: Adoption, kind: Kind, object_id: str, charge_id: str | None) -> Entered:
    """Has the books follow a refund or a dispute, as if its gateway had rung: the room of late truth knows how."""
    deps, gateway = run.deps, run.gateway.name
    ring(deps.database, gateway, kind, object_id)
    if not answer_now(deps, gateway, kind, object_id, adoption.by):
        return Entered(object_id, None, f"the {kind} is left to a sweep: see gateway_rings")
    if kind == "refund":
        row = deps.database.one("refund_read", gateway=gateway, gateway_id=object_id, reference=None, charge_id=None)
        said = row and f"{row['amount']} {row['currency']}, {row['status']}"
    else:
        row = deps.database.one("payment_read", gateway=gateway, gateway_id=charge_id, reference=None)
        said = "see there what became of it"
    if row is None:
        return Entered(object_id, None, f"the {kind} is of no payment of ours, or moved nothing")
    return Entered(object_id, row["payment_id"], f"{kind} of payment {row['payment_id']}: {said}")
