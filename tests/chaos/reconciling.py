"""After the storm the gateway's books are laid beside ours, as an operator does with `make reconcile`."""

from datetime import UTC, datetime, timedelta

from shared.charging.dependencies import Dependencies
from shared.platform.settings import Settings
from shared.reconciling.reconcile import reconcile
from shared.reconciling.run import take
from shared.reconciling.window import Window
from tests.chaos.world import DATABASE, ROLE, World

FINDS_NOTHING = "after the storm reconciliation finds no difference, and a second run of it changes nothing"
# Around the storm by so much that what is not in the gateway's books would have to be.
BEFORE, AFTER = timedelta(days=1), timedelta(days=4)
FOUND = (
    "SELECT movement, kind, object_id, payment_id, refund_id, verdict, why FROM reconciled_movements ORDER BY movement"
)
BOOKED = "SELECT entry_id, movement FROM ledger_entries ORDER BY entry_id"


def reconcile_all(world: World) -> None:
    """Twice, and complains of whatever is not matched: all is over, and nothing is to come."""
    now = datetime.now(UTC)
    window = Window(now - BEFORE, now + AFTER, "the storm")
    database = world.pair.primary.environment(DATABASE) | {
        "DB_USER": ROLE["DB_APP_USER"],
        "DB_PASS": ROLE["DB_APP_PASS"],
    }
    deps = Dependencies.of(Settings.read(world.settings | database))
    found = []
    with world.sql() as sql:
        for _ in range(2):
            for gateway in deps.gateways.that_keep_books():
                run = take(deps, gateway, window)
                assert run is not None, "nobody else reconciles"
                reconcile(run, float("inf"))
            found.append((sql.run(FOUND), sql.run(BOOKED)))
    deps.database.close()
    movements = found[0][0]
    world.say(f"reconciled {len(movements)} movements")
    for row in movements:
        if row["verdict"] != "matched":
            world.complain(FINDS_NOTHING, str(row))
    if found[0] != found[1]:
        world.complain(FINDS_NOTHING, "a second run of it changed something")
    if not movements:
        world.complain(FINDS_NOTHING, "it found no movement at all")
