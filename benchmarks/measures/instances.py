"""Four instances of create_payment through PgBouncer, beside one that reaches PostgreSQL straight."""

from benchmarks.measured import Measured
from benchmarks.pooler import Pooler
from benchmarks.stage import Stage, compared

INSTANCES = 4
CLIENTS = 16
SERVER_CONNECTIONS = 20


def measure(stage: Stage) -> Measured:
    """Both up, by turns, with the clients shared out among the instances."""
    ours, beside = [], []
    with (
        stage.databases.copy() as place,
        Pooler(place, SERVER_CONNECTIONS, hashed=True) as pooler,
        stage.charging(place) as one,
        stage.charging(place, INSTANCES, place.environment | {"DB_PORT": str(pooler.port)}) as four,
    ):
        pooling = pooler.processor()
        for _ in range(stage.rounds):
            ours.append(four.ours(CLIENTS)[0])
            beside.append(one.ours(CLIENTS)[0])
        pooling = 1000 * (pooler.processor() - pooling) / sum(each.rate * stage.seconds for each in ours)
    what = f"many instances, {INSTANCES} through PgBouncer"
    return Measured([compared(what, ours, beside, "one, straight", None, f" and {pooling:.2f} ms PgBouncer")])
