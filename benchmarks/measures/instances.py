"""Four instances of create_payment through PgBouncer, beside one that reaches PostgreSQL straight."""

from benchmarks.figure import Measured, Row, ratios
from benchmarks.pooler import Pooler
from benchmarks.stage import Stage, in_words

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
    ratio = ratios([each.rate for each in ours], [each.rate for each in beside])
    told = f"{in_words(ours)} and {pooling:.2f} ms PgBouncer", f"one, straight {in_words(beside)}"
    return Measured([Row(f"many instances, {INSTANCES} through PgBouncer", ratio, "×", *told)])
