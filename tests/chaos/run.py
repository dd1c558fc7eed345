"""Runs a storm and checks the accounts: `make chaos SECONDS=300 SEED=7`, `REAL=1` with the time-outs of production."""

import argparse
import json
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import psycopg2

from local.ports import HOST
from sql.owner import DatabaseUnavailableError
from tests.chaos.clients import Client
from tests.chaos.diary import FUNCTIONS, Answered, Diary, Wish, compare
from tests.chaos.killer import Killer
from tests.chaos.plan import REAL, SHORT, WEBHOOK_SECRETS, Plan
from tests.chaos.reconciling import reconcile_all
from tests.chaos.recovery import TAKE_PAYMENTS
from tests.chaos.report import Report, draw_up
from tests.chaos.watch import Watch
from tests.chaos.world import Clock, World, ask, running, tick

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


def chaos(plan: Plan) -> Report:
    """A storm, the calm after it, and the accounts; prints what it does."""
    with running(plan) as world:
        world.say(f"seed {plan.seed}: a storm of {plan.seconds:g} seconds over {len(world.instances)} functions")
        diary = Diary()
        killer, clock, watch = Killer(world, diary), Clock(world), Watch(world)
        with clock, watch:
            clients = _storm(world, diary, killer)
            _calm(world, clients, killer)
            _settle(world)
        _recover(world, diary)
        _repeat_all(world, diary)
        reconcile_all(world)
        return draw_up(world, diary, killer, clock, watch)


def _storm(world: World, diary: Diary, killer: Killer) -> list[Client]:
    over = threading.Event()
    clients = [Client(world, diary, number, over) for number in range(1, world.plan.clients + 1)]
    waits = world.plan.times.customer_waits
    hooks = [each.port for each in world.instances if each.function == "gateway_webhook"]
    world.gateway.control(
        processing_seconds=2.0,
        customer_seconds=waits / 3,
        customer_late_seconds=waits + 0.5,
        key_retention=world.plan.times.gateway_forgets,
        webhook={
            "urls": [f"http://{HOST}:{port}/webhooks/stripe" for port in hooks],
            "secrets": WEBHOOK_SECRETS,
            "leaked": WEBHOOK_SECRETS[1],
        },
        **world.plan.failures(),
    )
    for client in clients:
        client.thread.start()
    killer.start()
    try:
        _weather(world, diary, killer)
    finally:
        over.set()
        killer.stop()
    return clients


def _weather(world: World, diary: Diary, killer: Killer) -> None:
    """While the storm lasts: how slow the gateway is changes all the time, mostly within its time-out, so that many
    requests are under way when something dies, and now and then beyond it."""
    choice = random.Random(f"{world.plan.seed}/weather")
    began = time.monotonic()
    say_next = began + 10
    while (left := world.plan.left(time.monotonic() - began, killer.all_came.is_set())) > 0:
        world.gateway.control(slow_seconds=world.plan.times.gateway_slow * choice.choice([0.1, 0.3, 0.5, 1]))
        time.sleep(min(2, left))
        if time.monotonic() >= say_next:
            say_next += 10
            world.say(f"so far {diary.requests} requests, {killer.kills} kills")


def _calm(world: World, clients: list[Client], killer: Killer) -> None:
    """Everything is alive again, and every client gets its answer, or gives up after a good while."""
    world.gateway.control(calm=True)
    world.say(f"the storm is over: {sum(killer.blows.values())} blows, {killer.kills} kills; the clients finish")
    ends = time.monotonic() + world.plan.times.settled_within
    for client in clients:
        client.thread.join(max(0.1, ends - time.monotonic()))
        client.given_up.set()


def _settle(world: World) -> None:
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


def _recover(world: World, diary: Diary) -> None:
    """Each function answers a repeat. After an outage one may leave the database alone for some seconds, but no longer than
    `recovered_within`."""
    of_a_function = {FUNCTIONS[wish.kind]: wish for wish in diary.finished}
    ends = time.monotonic() + world.plan.times.recovered_within
    for instance in world.instances:
        wish = of_a_function.get(instance.function)
        while wish and instance.up and _repeated(wish, instance.port).status == 503:
            if time.monotonic() > ends:
                world.complain(TAKE_PAYMENTS, f"the storm: {instance.name} does not answer a repeat")
                break
            time.sleep(0.1)


def _repeated(wish: Wish, port: int) -> Answered:
    """Raises OSError or HTTPException."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": wish.key}
    return Answered(*ask(port, "POST", wish.path, json.dumps(wish.body).encode(), headers, 30))


def _repeat_all(world: World, diary: Diary) -> None:
    """Every finished request once more, now that nothing is in the way of an answer."""

    def repeat(wish: Wish) -> None:
        function = FUNCTIONS[wish.kind]
        port = world.port_of(function, random.Random(wish.key))
        try:
            assert port is not None, f"no {function} is up"
            compare(world, wish, _repeated(wish, port))
        except (OSError, HTTPException, AssertionError) as failure:
            world.complain("a repeat gives the same status and body", f"{wish.key}: {failure!r}")

    world.say(f"repeating all {len(diary.finished)} finished requests")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, diary.finished))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--real", action="store_true", help="the time-outs of production")
    parser.add_argument("--logs", default="", help="a folder for the functions' logs")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = chaos(Plan(options.seconds, seed, REAL if options.real else SHORT, keep_logs=options.logs))
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
