"""The whole of a restore: a backup, charges and refunds, the loss of the database, the backup restored, what was lost entered
again by the operator's command, and every client asking again: nobody is charged twice, and all are answered as before.

Other seeds: `RESTORE_SEEDS=1,2,3,4,5 python -m pytest tests/faults/test_restore.py`
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

import pytest

from local.place import CHECKOUT
from local.postgres import Postgres
from shared.gateways.stripe.gateway import Stripe
from shared.reconciling.reconcile import reconcile as run_to_its_end
from shared.reconciling.run import take
from shared.reconciling.window import Window
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.fakes.gateway import StripeLike
from tests.support.cluster import Cluster, Place, migrate
from tests.support.gateway import ScriptedGateway
from tests.support.races import at_once
from tests.support.settings import ENVIRONMENT
from tests.support.till import Till, WatchedDatabase, shown

SEEDS = [int(seed) for seed in os.environ.get("RESTORE_SEEDS", "1").split(",")]
API_KEY = "sk_test_of_the_restored"
# One of several: what is restored, and entered again, is to be of it.
CELL = 7
# What a charge comes to, by its token: paid, declined, paid without an answer, never heard of, paid later, waiting, refused.
TOKENS = (
    "pm_card",
    "pm_card",
    "pm_decline_insufficient_funds",
    "pm_lose",
    "pm_drop",
    "pm_processing",
    "pm_customer_never",
)
# What the gateway was not told, and what is of the moment.
LOST = {
    "metadata",
    "created_at",
    "updated_at",
    "reason",
    "refund_id",
    "remaining_amount",
    "payment_status",
    "refunded_amount",
}


class Client(NamedTuple):
    """A request of somebody's, under a key of its own: asked again, it is the same."""

    key: str
    ask: Callable[[Till], Answer]


class Scene:
    """A till at a gateway like Stripe's, its clients, and what each was answered last."""

    def __init__(self, seed: int, place: Place, like: StripeLike) -> None:
        self.random, self.like = Random(seed), like  # noqa: S311
        self.answers: dict[str, Answer] = {}
        self.clients: dict[str, Client] = {}
        self.till = self.opened(place)

    def opened(self, place: Place) -> Till:
        settings = place.settings(
            cell=CELL, idempotency_lock_timeout=30.0, gateway_timeout=5.0, commission_rate=Decimal("0.2")
        )
        stripe = Stripe(API_KEY, self.like.url, 5.0, certain_after=3600.0)
        self.till = Till(settings, WatchedDatabase(settings), cast(ScriptedGateway, stripe))
        return self.till

    def closed(self) -> None:
        self.till.publisher.drain()
        self.till.database.close()

    def does(self, number: int) -> None:
        """So many things that happen to a shop."""
        for _ in range(number):
            paid = [each for each in self.answers.values() if each.status == 201 and "refund_id" not in shown(each)]
            if paid and self.random.random() < 0.35:
                self._gives_back(self.random.choice(paid))
            else:
                self._sells()

    def _sells(self) -> None:
        trip_id, token = len(self.clients) + 1, self.random.choice(TOKENS)
        request: dict[str, Any] = {
            "amount": self.random.choice([None, "120.00", "75.50"]),
            "payment_token": token,
            "customer_present": token == "pm_customer_never",
            "metadata": {"seat": trip_id},
        }
        if self.random.random() < 0.5:
            request["driver_id"] = f"driver-{trip_id % 3}"
        key = f"charge-{trip_id}"
        self._asks(Client(key, lambda till: till.pay(key, trip_id=trip_id, **request)))

    def _gives_back(self, paid: Answer) -> None:
        payment = shown(paid)
        key, amount = f"refund-{len(self.clients) + 1}", self.random.choice(["10.00", "20.50", None])
        [charge_id] = [
            each["id"]
            for each in self.like.books.intents.values()
            if each["metadata"]["reference"] == payment["reference"]
        ]
        match self.random.choice(["ours", "ours", "ours", "theirs", "bank"]):
            case "theirs" if (
                not self.like.books.disputes and self.like.books._left(self.like.books.intent(charge_id)) > 500
            ):
                self.like.books.refund_in_dashboard(charge_id, 500)
            case "bank" if not self.like.books.disputes:
                self.like.books.open_dispute(charge_id)
            case _:
                self._asks(Client(key, lambda till: till.refund(payment["payment_id"], amount, key)))

    def meanwhile(self) -> None:
        """What goes on at the gateway while there are no books: what was being paid is paid, and customers make up their
        minds."""
        self.like.control({"skip": 3600})
        for intent in list(self.like.books.intents.values()):
            if intent["status"] == "requires_action":
                acts = self.random.choice([self.like.books.customer_confirms, self.like.books.customer_refuses])
                acts(intent["id"])

    def _asks(self, client: Client) -> None:
        """What was refused before anything was claimed is nobody's: only what used up its key is asked again."""
        answer = self.again(client)
        if isinstance(answer, Answer):
            self.clients[client.key] = client
            self.answers[client.key] = answer

    def again(self, client: Client) -> Answer | Problem:
        try:
            return client.ask(self.till)
        except Problem as refused:
            return refused


class Backup:
    """A dump of a database, and the database that it becomes."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self._server, self._file = server, folder / "backup.dump"
        self.begun_at = datetime.now(UTC)

    def _run(self, program: str, name: str, *arguments: str) -> None:
        owner = self._server.environment(name)
        place = [
            "--host",
            owner["DB_HOST"],
            "--port",
            owner["DB_PORT"],
            "--username",
            owner["DB_USER"],
            "--dbname",
            name,
        ]
        command = [str(self._server.bin / program), *place, *arguments]
        subprocess.run(command, env={"PGPASSWORD": owner["DB_PASS"]}, check=True, timeout=60)

    def take(self, name: str) -> None:
        self.begun_at = datetime.now(UTC)
        self._run("pg_dump", name, "--format=custom", f"--file={self._file}")

    @contextmanager
    def restored(self, owner: Place) -> Iterator[Place]:
        name = f"{owner.name}_restored"
        owner.sql.run(f"CREATE DATABASE {name}")
        place = Place(self._server, name)
        try:
            self._run("pg_restore", name, str(self._file))
            migrate(self._server, name, CELL)
            yield place
        finally:
            place.sql.close()
            owner.sql.run(f"DROP DATABASE {name} WITH (FORCE)")


def reconcile(place: Place, like: StripeLike, since: datetime, folder: Path, *arguments: str) -> tuple[int, str]:
    """`make reconcile`: its exit status, and what it said."""
    settings = {
        **ENVIRONMENT,
        "CELL": str(CELL),
        "GATEWAY": "stripe",
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_API_BASE": like.url,
        "LOG_LEVEL": "ERROR",
    }
    until = datetime.now(UTC) + timedelta(hours=2)  # the gateway's clock was moved on
    window = [
        f"--from={since:%Y-%m-%dT%H:%M:%SZ}",
        f"--to={until:%Y-%m-%dT%H:%M:%SZ}",
        f"--out={folder / 'movements.csv'}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "shared.reconciling.command", *window, *arguments],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **settings, **place.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def differences(till: Till, since: datetime) -> int:
    """How much differs by now between the gateway's books and ours."""
    [gateway] = till.deps.gateways.that_keep_books()
    run = take(till.deps, gateway, Window(since, datetime.now(UTC) + timedelta(hours=3), "since then"))
    assert run is not None
    run_to_its_end(run, float("inf"))
    return run.differences


def swept(scene: Scene, place: Place) -> None:
    """Until sweeps find nothing more to do."""
    for _ in range(3):
        place.sql.run("UPDATE gateway_cursors SET read_after = now(); UPDATE gateway_rings SET ask_after = now()")
        place.sql.run("UPDATE idempotency_keys SET ask_after = now(), locked_at = NULL WHERE answer_status IS NULL")
        scene.till.sweep()


def paid_by(like: StripeLike) -> Counter[str]:
    """How often each trip was paid, and each refund's key given back, as the gateway has it."""
    charges = [each["metadata"]["trip_id"] for each in like.books.intents.values() if each["status"] == "succeeded"]
    refunds = [each["metadata"].get("key_hash") for each in like.books.refunds.values() if each["status"] != "failed"]
    return Counter([f"trip {trip}" for trip in charges] + [f"refund {key}" for key in refunds if key])


def keys_told(like: StripeLike) -> set[str]:
    """The keys of what the gateway has."""
    return {
        str(each["metadata"].get("key_hash"))
        for things in (like.books.intents, like.books.refunds)
        for each in things.values()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_restore_nobody_is_charged_twice(seed: int, cluster: Cluster, tmp_path: Path, trips: object) -> None:
    with cluster.database() as place, StripeLike(seed=seed) as like:
        like.control({"processing_seconds": 3600})
        place.be_cell(CELL)
        scene, backup = Scene(seed, place, like), Backup(cluster.server, tmp_path)
        scene.does(10)
        backup.take(place.name)
        scene.does(20)
        scene.closed()
        asked = dict(scene.answers)
        with backup.restored(place) as again:
            scene.meanwhile()
            paid, told = paid_by(like), keys_told(like)
            since = backup.begun_at - timedelta(minutes=5)
            reason = ["--adopt=all", "--reason=restored", "--actor=asha@ops-1"]
            _, said = reconcile(again, like, since, tmp_path, *reason)
            assert "NOT ENTERED" not in said, said
            scene.opened(again)
            swept(scene, again)
            for _ in range(2):
                clients = scene.random.sample([*scene.clients.values()], len(scene.clients))
                for each in range(0, len(clients), 6):
                    at_once(*[lambda client=client: scene.again(client) for client in clients[each : each + 6]])
            swept(scene, again)
            for client in scene.clients.values():
                known = sha256(client.key.encode()).hexdigest() in told
                is_as_before(asked[client.key], scene.again(client), known=known)
            assert max(paid_by(like).values()) == 1
            assert set(paid) <= set(paid_by(like))
            assert differences(scene.till, since) == 0
            assert again.sql.run("SELECT DISTINCT payment_id >> 40 AS cell FROM payments") == [{"cell": CELL}]
            receivable = 100 * again.sql.value("SELECT sum(gateway_receivable) FROM ledger_entries")
            assert receivable == like.ledger()["balance"]["inr"]
            scene.closed()


def is_as_before(before: Answer, after: Answer | Problem, *, known: bool) -> None:
    """Whoever had a final answer has the same, but for what nobody was told; whoever had none has one by now. What the gateway
    has no trace of (it was never asked, or refused at once) is asked for anew."""
    if not known:
        return
    assert isinstance(after, Answer), after
    assert after.status in (201, 402), after.body
    if before.status == 402:
        assert (after.status, shown(after)["failure_code"]) == (402, shown(before)["failure_code"])
    if before.status == 201:
        old, new = shown(before), shown(after)
        assert after.status == 201
        assert {name for name in old | new if old.get(name) != new.get(name)} <= LOST
