"""After a storm: until nothing is open any more, and what everybody is asked once more before the accounts are looked at."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import psycopg2

from sql.owner import DatabaseUnavailableError
from tests.chaos.diary import FUNCTIONS, Answered, Diary, Wish, compare
from tests.chaos.processes import ask
from tests.chaos.recovery import TAKE_PAYMENTS
from tests.chaos.ways import Way
from tests.chaos.world import World, tick

OPEN = (
    "SELECT (SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL) AS unsettled,"
    " (SELECT count(*) FROM outbox WHERE delivered_at IS NULL) AS undelivered,"
    " (SELECT count(*) FROM gateway_rings) AS rings,"
    " (SELECT array_agg(event_id) FROM gateway_said WHERE event_id IS NOT NULL) AS heard,"
    " (SELECT string_agg(format('payment %s, asked %s times, again in %s s', payment_id, asked,"
    "  round(extract(epoch FROM ask_after - now()))), '; ') FROM"
    "  (SELECT * FROM idempotency_keys WHERE answer_status IS NULL ORDER BY ask_after DESC LIMIT 3) AS k) AS latest"
)
PAUSES_OVER = (
    "UPDATE idempotency_keys SET ask_after = now() WHERE ask_after > now() AND locked_at IS NULL;"
    "UPDATE outbox SET next_attempt_at = now() WHERE delivered_at IS NULL AND next_attempt_at > now();"
    "UPDATE gateway_rings SET ask_after = now() WHERE ask_after > now() + make_interval(secs => %(leased)s)"
)
# The gateway's list of events is read once a minute.
LIST_DUE = "UPDATE gateway_cursors SET read_after = now()"


def settle(world: World) -> None:
    """Sweeps until nothing is unsettled, undelivered or rung for, and the gateway has nothing more to say: for as long as that
    may take at most."""
    choice = random.Random(f"{world.plan.seed}/settle")
    times = world.plan.times
    began = time.monotonic()
    last = ""
    while (waited := time.monotonic() - began) < times.settled_within:
        tick(world, choice, times.patience * 10)
        to_come = world.gateway.ledger()
        try:
            with world.sql() as sql:
                sql.run(LIST_DUE)
                if waited > times.pauses_skipped_after:
                    sql.run(PAUSES_OVER, {"leased": times.lock_timeout + times.gateway_timeout})
                left = sql.run(OPEN)[0]
        except (psycopg2.Error, DatabaseUnavailableError) as failure:
            world.complain("whatever is killed comes up again", f"the database: {failure!r}")
            return
        latest, heard = left.pop("latest"), set(left.pop("heard") or ())
        left |= {what: to_come[what] for what in ("to_come", "on_the_way")}
        left["unheard"] = sum(event_id not in heard for event_id in to_come["rung_for"])
        if not any(left.values()):
            world.say("nothing is open any more")
            return
        if (now := ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in left.items() if count)) != last:
            world.say(f"sweeping: {now}; {latest}")
        last = now
        time.sleep(times.sweep_every)


def recover(world: World, diary: Diary) -> None:
    """Each function answers a repeat. After an outage one may leave the database alone for some seconds, but no longer than
    `recovered_within`."""
    of_a_function = {FUNCTIONS[wish.kind]: wish for wish in diary.finished}
    ends = time.monotonic() + world.plan.times.recovered_within
    for instance in world.instances:
        wish = of_a_function.get(instance.function)
        while wish and instance.up and _repeated(wish, Way(instance.port)).status == 503:
            if time.monotonic() > ends:
                world.complain(TAKE_PAYMENTS, f"the storm: {instance.name} does not answer a repeat")
                break
            time.sleep(0.1)


def repeat_all(world: World, diary: Diary) -> None:
    """Every finished request once more, now that nothing is in the way of an answer."""

    def repeat(wish: Wish) -> None:
        function = FUNCTIONS[wish.kind]
        way = world.way_to(function, wish.path, random.Random(wish.key))
        try:
            assert way is not None, f"no {function} is up"
            compare(world, wish, _repeated(wish, way))
        except (OSError, HTTPException, AssertionError) as failure:
            world.complain("a repeat gives the same status and body", f"{wish.key}: {failure!r}")

    world.say(f"repeating all {len(diary.finished)} finished requests")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, diary.finished))


def _repeated(wish: Wish, way: Way) -> Answered:
    """Raises OSError or HTTPException."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": wish.key} | dict(way.headers)
    return Answered(*ask(way.port, "POST", way.prefix + wish.path, json.dumps(wish.body).encode(), headers, 30))
