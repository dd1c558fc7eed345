"""Events that reach a sink which takes 50 ms for each, beside the charges that they are of."""

from datetime import datetime, timedelta
from time import monotonic

from benchmarks.measured import Measured, Row, at_least, ratios
from benchmarks.stage import Stage, in_words
from tests.support.cluster import Place

CLIENTS = 8
SECONDS = 10
# Of some seconds: what was charged, and what was noted as taken by the sink.
COUNTED = """
SELECT (SELECT count(*) FROM outbox WHERE created_at >= %(since)s AND created_at < %(until)s) AS charged,
       (SELECT count(*) FROM outbox WHERE delivered_at >= %(since)s AND delivered_at < %(until)s) AS delivered
"""
LATE = """
SELECT 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS median,
       1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99
  FROM (SELECT extract(epoch FROM delivered_at - created_at)::float8 AS late
          FROM outbox WHERE delivered_at IS NOT NULL) AS delivered
"""
LEFT = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
PATIENCE = 30.0


def measure(stage: Stage) -> Measured:
    """Charges without a pause, and what was delivered in the same seconds, but for the first two."""
    rounds = []
    charged, delivered = [], []
    with stage.databases.copy() as place, stage.charging(place, sink=stage.neighbours.slow_sink) as charging:
        for _ in range(stage.rounds):
            began = place.sql.value("SELECT clock_timestamp()")
            rounds.append(charging.ours(CLIENTS, SECONDS)[0])
            one, other = _rates(place, began)
            charged.append(one)
            delivered.append(other)
        left, waited = _left(place)
        late = place.sql.run(LATE)[0]
    ids = stage.neighbours.events()
    told = (
        f"{sum(delivered) / len(delivered):.0f}/s, after their commit median {late['median']:.0f} ms, p99 {late['p99']:.0f} ms;"
        f" {left} undelivered at the end, none {waited:.1f} s later; {len(ids) - len(set(ids))} sent again"
    )
    row = Row("event delivery, 50 ms each", ratios(delivered, charged), "×", told, in_words(rounds), at_least(1.0))
    return Measured([row])


def _rates(place: Place, began: datetime) -> tuple[float, float]:
    """Charges and deliveries a second of a run that began then, but for its first two seconds and its last."""
    since, until = began + timedelta(seconds=2), began + timedelta(seconds=SECONDS - 1)
    [counted] = place.sql.run(COUNTED, {"since": since, "until": until})
    seconds = (until - since).total_seconds()
    return counted["charged"] / seconds, counted["delivered"] / seconds


def _left(place: Place) -> tuple[int, float]:
    """How many events are undelivered, and after how many seconds none is."""
    left, began = int(place.sql.value(LEFT)), monotonic()
    while place.sql.value(LEFT) and monotonic() - began < PATIENCE:
        pass
    return left, monotonic() - began
