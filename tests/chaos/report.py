"""What a storm came to: figures for people, and whatever must not have been."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.rules.cells import Cell
from tests.chaos.accounts import Books, read_books
from tests.chaos.diary import ALONE
from tests.chaos.ledger_invariants import INVARIANTS
from tests.chaos.places import TRIPS_OF_A_CELL
from tests.chaos.plan import Plan
from tests.chaos.reconciling import FINDS_NOTHING
from tests.chaos.recovery import ALIVE, ONE_PAYS, REFUSED, TAKE_PAYMENTS
from tests.chaos.storm import Storm
from tests.chaos.strays import ASTRAY
from tests.chaos.watch import FEW
from tests.chaos.world import World
from tests.support.outcomes import CHARGED

NOT_CANCELLED = "no wait for the standby is cancelled: the commit would be reported without it"
EXPECTED = re.compile(r"\bDatabaseUnavailable:")
# Complained of while the storm goes on.
SEEN_MEANWHILE = (
    "every answer is one of the contract's",
    "a key with other content is refused",
    "a repeat gives the same status and body",
    "whatever is killed comes up again",
    "every client's life ends well",
    "no function fails unexpectedly",
    TAKE_PAYMENTS,
    ALIVE,
    REFUSED,
    ONE_PAYS,
    FEW,
    NOT_CANCELLED,
    FINDS_NOTHING,
    ASTRAY,
    ALONE,
)


@dataclass
class Report:
    """What a run came to. `violations`: what breaks an invariant, by its name; empty when all is well."""

    seed: int
    blows: Counter[str]
    payments: int
    forgotten: int
    astray: int
    violations: dict[str, list[str]]


@dataclass
class Account:
    """What a storm came to in one cell, or in the only one."""

    storm: Storm
    books: Books
    violations: dict[str, list[str]]

    @property
    def cell(self) -> Cell:
        assert self.storm.world.place.cell is not None
        return self.storm.world.place.cell

    @property
    def trips(self) -> range:
        """All that this cell's clients pay for."""
        first = self.storm.world.place.first_trip
        return range(first, first + TRIPS_OF_A_CELL)


def draw_up(storm: Storm) -> Account:
    """Checks the accounts of a cell and prints them."""
    world = storm.world
    books = read_books(world, storm.diary)
    _read_logs(world)
    print("\n" + "\n".join(_figures(storm, books)) + "\n")
    found: dict[str, list[str]] = {}
    for name in (*INVARIANTS, *SEEN_MEANWHILE):
        found[name] = list(INVARIANTS[name](books)) if name in INVARIANTS else []
        found[name] += [what for complained, what in world.complaints if complained == name]
    return Account(storm, books, _violations(found, world.place.name))


def conclude(plan: Plan, accounts: Sequence[Account], across: Mapping[str, list[str]] | None = None) -> Report:
    """All accounts together, and what was found `across` them, with the last line of what is printed."""
    violations = _violations(across or {}, "")
    for account in accounts:
        for name, found in account.violations.items():
            violations[name] = violations.get(name, []) + found
    blows, payments = Counter[str](), 0
    for account in accounts:
        blows += account.storm.killer.blows
        payments += len(account.books.payments)
    kills = sum(account.storm.killer.kills for account in accounts)
    again = f"make chaos SECONDS={plan.seconds:g} SEED={plan.seed}" + (f" CELLS={len(accounts)}" if across else "")
    print(
        f"\n{kills} kills, {payments} payments, {len(violations)} invariants violated; seed {plan.seed}: {again}",
        flush=True,
    )
    forgotten = sum(account.storm.world.network.forgotten() for account in accounts)
    astray = sum(account.storm.diary.astray for account in accounts)
    return Report(plan.seed, blows, payments, forgotten, astray, violations)


def _violations(checked: Mapping[str, list[str]], cell: str) -> dict[str, list[str]]:
    """Prints each invariant that was checked, and gives those that do not hold."""
    for name, found in checked.items():
        verdict = "VIOLATED" if found else "ok      "
        print(
            f"{verdict}  {f'{cell}: ' if cell else ''}{name}" + "".join(f"\n            {what}" for what in found[:20])
        )
    return {name: found for name, found in checked.items() if found}


def _read_logs(world: World) -> None:
    for instance in world.instances:
        for line in instance.log().splitlines():
            if "Traceback" in line and not EXPECTED.search(line):
                world.complain("no function fails unexpectedly", f"{instance.name}: {line[-600:]}")
    for server in (world.pair.primary, world.pair.standby):
        log = (server.folder / "postgres.log").read_text(encoding="utf-8", errors="replace")
        for line in log.splitlines():
            if "canceling wait for synchronous replication" in line:
                world.complain(NOT_CANCELLED, line)


def _late(books: Books) -> Counter[str]:
    """What became of payments and refunds after their first word, and who refunded what else."""
    late: Counter[str] = Counter(f"refund of source {row['source']}" for row in books.refunds.values())
    late += Counter(f"dispute {row['status']}" for row in books.tables["disputes"])
    late["adopted"] = sum(row["status"] in CHARGED and bool(row["late_charge_id"]) for row in books.payments.values())
    late["refund reversed"] = sum(row["status"] == "REVERSED" for row in books.refunds.values())
    late["customer too late"] = books.gateway["too_late"]
    return late


def _figures(storm: Storm, books: Books) -> list[str]:
    """The accounts in lines, for people."""
    world, diary, killer, watch = storm.world, storm.diary, storm.killer, storm.watch

    def counted(counts: Counter[str] | dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"

    by_status = Counter(f"{row['method']} {row['status']}" for row in books.payments.values())
    once = sum(wish.once for wish in diary.wishes)
    waits = ", ".join(f"{outage} {max(waits):.1f}" for outage, waits in sorted(killer.recovery.waits.items()))
    deliveries = sum(map(len, books.events.values()))
    charges = [charge for charge in books.gateway["charges"].values() if charge["succeeded"]]
    refunds = [refund for refund in books.gateway["refunds"].values() if refund["succeeded"]]
    return [
        f"requests    {diary.requests} for {len(diary.wishes)} keys, {once} of them asked once and left;"
        f" {diary.repeats} repeats of finished keys, {diary.reused} with other content, {diary.astray} in the wrong cell",
        f"answers     {counted(diary.answers)}",
        f"blows       {sum(killer.blows.values())}: {counted(killer.blows)}",
        f"payments    {len(books.payments)}: {counted(by_status)}",
        f"refunds     {len(books.refunds)}: {counted(Counter(row['status'] for row in books.refunds.values()))}",
        f"gateway     {len(charges)} charges of {sum(c['amount'] for c in charges) / 100:.2f} and {len(refunds)} refunds of"
        f" {sum(r['amount'] for r in refunds) / 100:.2f}; asked {sum(k['seen'] for k in books.gateway['keys'].values())} times;"
        f" {counted(books.gateway['modes'])}",
        f"late truth  {world.plan.late_payment}: {counted(_late(books))}",
        f"webhooks    {len(books.gateway['rung_for'])} events; {counted(books.gateway['webhooks'])}",
        f"events      {len(books.events)} received, {deliveries} deliveries",
        f"sweeps      {counted(storm.clock.sweeps)}",
        f"outages     the first payment of an untouched function after at most (seconds): {waits or 'none'};"
        f" {killer.recovery.looks} times /healthz while no name was answered",
        f"servers     at most {watch.open} processes at a time, {watch.waiting} of them waiting for the standby;"
        f" {world.network.forgotten()} connections forgotten",
    ]
