"""What a storm came to: figures for people, and whatever must not have been."""

import re
from collections import Counter
from dataclasses import dataclass

from tests.chaos.accounts import Books, read_books
from tests.chaos.diary import Diary
from tests.chaos.killer import Killer
from tests.chaos.ledger_invariants import INVARIANTS
from tests.chaos.reconciling import FINDS_NOTHING
from tests.chaos.recovery import ALIVE, ONE_PAYS, REFUSED, TAKE_PAYMENTS
from tests.chaos.watch import FEW, Watch
from tests.chaos.world import Clock, World
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
)


@dataclass
class Report:
    """What a run came to. `violations`: what breaks an invariant, by its name; empty when all is well."""

    seed: int
    blows: Counter[str]
    kills: int
    payments: int
    forgotten: int
    violations: dict[str, list[str]]


def draw_up(world: World, diary: Diary, killer: Killer, clock: Clock, watch: Watch) -> Report:
    """Checks the accounts and prints the report."""
    books = read_books(world, diary)
    _read_logs(world)
    print("\n" + "\n".join(_figures(world, diary, books, killer, clock, watch)) + "\n")
    violations: dict[str, list[str]] = {}
    for name in (*INVARIANTS, *SEEN_MEANWHILE):
        found = list(INVARIANTS[name](books)) if name in INVARIANTS else []
        found += [what for complained, what in world.complaints if complained == name]
        print(
            f"{'VIOLATED' if found else 'ok      '}  {name}" + "".join(f"\n            {what}" for what in found[:20])
        )
        if found:
            violations[name] = found
    verdict = f"{killer.kills} kills, {len(books.payments)} payments, {len(violations)} invariants violated"
    print(
        f"\n{verdict}; seed {world.plan.seed}: make chaos SECONDS={world.plan.seconds:g} SEED={world.plan.seed}",
        flush=True,
    )
    forgotten = world.network.forgotten()
    return Report(world.plan.seed, killer.blows, killer.kills, len(books.payments), forgotten, violations)


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


def _figures(world: World, diary: Diary, books: Books, killer: Killer, clock: Clock, watch: Watch) -> list[str]:
    """The accounts in lines, for people."""

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
        f" {diary.repeats} repeats of finished keys, {diary.reused} with other content",
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
        f"sweeps      {counted(clock.sweeps)}",
        f"outages     the first payment of an untouched function after at most (seconds): {waits or 'none'};"
        f" {killer.recovery.looks} times /healthz while no name was answered",
        f"servers     at most {watch.open} processes at a time, {watch.waiting} of them waiting for the standby;"
        f" {world.network.forgotten()} connections forgotten",
    ]
