"""A webhook changes nothing by what it says: it is kept, and rings for what it is about."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from local.ports import pick
from shared.gateways.stripe.webhook import signed
from shared.late import webhook
from shared.late.webhook import MOST, WEBHOOKS, take
from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.log import correlation_id
from shared.web.problems import Problem
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.till import Died, Till

SECRET = "whsec_s3cr3ts3cr3t"
KEPT = "SELECT gateway, source, event_id, type, object_id, charge_id FROM gateway_said ORDER BY said_id"
RUNG = "SELECT gateway, kind, object_id, rings FROM gateway_rings ORDER BY object_id"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> "Answering":
    answering = Answering()
    monkeypatch.setattr(webhook, "answer_now", answering)
    return answering


class Answering:
    """Stands in for what reads the gateway: whether it is `done`, and how often it was asked for what."""

    def __init__(self) -> None:
        self.done = True
        self.asked: list[tuple[str, ...]] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, _: object, *rung_for: str) -> bool:
        self.asked.append((*rung_for, correlation_id.get() or ""))
        assert self.may_end.wait(20)
        return self.done


@pytest.fixture
def bell(till: Till, answering: Answering) -> Iterator["Bell"]:
    till.change(stripe_api_key="sk_test_x", stripe_api_base="http://127.0.0.1:1", stripe_webhook_secret=(SECRET,))
    yield Bell(till)
    answering.may_end.set()


class Bell:
    def __init__(self, till: Till) -> None:
        self.till = till

    def ring(self, type_: str, event_id: str = "evt_1", *, secret: str = SECRET, **about: Any) -> str:
        """What became of a webhook that was answered 204."""
        event = {
            "id": event_id,
            "object": "event",
            "type": type_,
            "data": {"object": {"client_secret": "hush", **about}},
        }
        return self.send(json.dumps(event).encode(), secret)

    def send(self, body: bytes, secret: str = SECRET, within: float = 20) -> str:
        headers = {"Stripe-Signature": signed(secret, int(time.time()), body)}
        answer = take(self.till.deps, "stripe", headers, body, within)
        assert (answer.status, answer.body) == (204, "")
        return str(answer.about["outcome"])


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in place.sql.run(query)]


@pytest.mark.parametrize(
    ("type_", "kind", "object_id"),
    [
        ("payment_intent.succeeded", "charge", "pi_1"),
        ("refund.failed", "refund", "re_1"),
        ("charge.dispute.closed", "dispute", "du_1"),
    ],
)
def test_it_is_kept_without_its_secrets_and_what_it_is_about_is_read(
    bell: Bell, place: Place, answering: Answering, type_: str, kind: str, object_id: str
) -> None:
    correlation_id.set("its-own")
    assert bell.ring(type_, id=object_id, payment_intent="pi_1") == "answered"
    assert answering.asked == [("stripe", kind, object_id, "its-own")]
    assert rows(place, KEPT) == [("stripe", "webhook", "evt_1", type_, object_id, "pi_1")]
    assert rows(place, RUNG) == [("stripe", kind, object_id, 1)]
    assert place.sql.value("SELECT said->'data'->'object'->>'client_secret' FROM gateway_said") == "…"


def test_one_that_comes_again_is_kept_once_and_rings_again(bell: Bell, place: Place, answering: Answering) -> None:
    for _ in range(3):
        assert bell.ring("refund.updated", id="re_1") == "answered"
    assert len(rows(place, KEPT)) == 1
    assert rows(place, RUNG) == [("stripe", "refund", "re_1", 3)]
    assert len(answering.asked) == 3


def test_one_that_comes_often_at_the_same_moment_is_kept_once(bell: Bell, place: Place) -> None:
    with ThreadPoolExecutor(8) as threads:
        rung = [threads.submit(bell.ring, "refund.updated", id="re_1") for _ in range(24)]
        assert {each.result() for each in rung} <= {"answered", "left"}
    assert len(rows(place, KEPT)) == 1
    assert rows(place, RUNG) == [("stripe", "refund", "re_1", 24)]


def test_where_the_books_say_so_already_nothing_is_read(bell: Bell, place: Place, answering: Answering) -> None:
    a_payment(place.sql, gateway="stripe", gateway_id="pi_1")
    assert bell.ring("payment_intent.succeeded", id="pi_1") == "kept"
    assert (len(rows(place, KEPT)), rows(place, RUNG), answering.asked) == (1, [], [])
    assert bell.ring("payment_intent.canceled", "evt_2", id="pi_1") == "answered", "which the books do not say"


def test_what_another_gateway_calls_so_is_another_charge(bell: Bell, place: Place) -> None:
    a_payment(place.sql, gateway="simulated", gateway_id="pi_1")
    assert bell.ring("payment_intent.succeeded", id="pi_1") == "answered"


@pytest.mark.parametrize("type_", ["payment_intent.requires_action", "charge.refunded"])
def test_what_tells_half_of_it_is_kept_alone(bell: Bell, place: Place, answering: Answering, type_: str) -> None:
    assert bell.ring(type_, id="pi_1") == "kept"
    assert (len(rows(place, KEPT)), rows(place, RUNG), answering.asked) == (1, [], [])


def test_what_is_about_nothing_here_is_taken_and_not_kept(bell: Bell, place: Place) -> None:
    assert bell.ring("customer.created", id="cus_1") == "ignored"
    assert rows(place, KEPT) == rows(place, RUNG) == []


def test_what_was_not_answered_is_left_rung_for_a_sweep(bell: Bell, place: Place, answering: Answering) -> None:
    answering.done = False
    assert bell.ring("refund.updated", id="re_1") == "left"
    assert rows(place, RUNG) == [("stripe", "refund", "re_1", 1)]


def test_a_gateway_does_not_wait_for_what_takes_long_and_it_goes_on(bell: Bell, answering: Answering) -> None:
    answering.may_end.clear()
    body = json.dumps({"id": "evt_1", "type": "refund.updated", "data": {"object": {"id": "re_1"}}}).encode()
    assert bell.send(body, within=0.01) == "left"
    for _ in range(MOST):
        bell.send(body, within=0.01)
    assert len(answering.asked) == MOST, "no more are answered at once, and each of them waits"
    answering.may_end.set()
    while bell.send(body) == "left":
        pass
    assert len(answering.asked) == MOST + 1


WRONG = ["", "t=1,v1=00", "a signature of another secret", "an old one"]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_gateway_did_not_sign_changes_nothing_and_is_told_nothing(
    bell: Bell, place: Place, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    body = b'{"id": "evt_1", "type": "refund.updated", "data": {"object": {"id": "re_1"}}}'
    now = int(time.time())
    header = {WRONG[2]: signed("whsec_0th3r0th3r", now, body), WRONG[3]: signed(SECRET, now - 301, body)}.get(
        wrong, wrong
    )
    with pytest.raises(Problem) as refused:
        take(bell.till.deps, "stripe", {"Stripe-Signature": header}, body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_signature")
    assert rows(place, KEPT) == rows(place, RUNG) == []
    [line] = [vars(record) for record in caplog.records if record.message == "webhook not signed"]
    assert line["gateway"] == "stripe"
    told = f"{line} {refused.value.document('/', None)}"
    assert SECRET not in told
    assert signed(SECRET, now, body).rpartition("=")[2] not in told


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"type": "refund.updated"}', "ü".encode("latin-1")])
def test_what_is_no_event_is_refused_although_it_is_signed(bell: Bell, place: Place, body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        bell.send(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_request")
    assert rows(place, KEPT) == []


@pytest.mark.parametrize("name", ["simulated", "cash", "Stripe", "", "../stripe", "é"])
def test_a_gateway_that_sends_none_is_nobody(bell: Bell, name: str) -> None:
    before = WEBHOOKS.read()
    with pytest.raises(Problem) as refused:
        take(bell.till.deps, name, {}, b"{}")
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    assert WEBHOOKS.read() == before, "what somebody makes up is no label"


def test_without_a_secret_no_webhook_is_believed(bell: Bell) -> None:
    deps = bell.till.deps._replace(settings=replace(bell.till.settings, stripe_webhook_secret=()))
    with pytest.raises(Problem) as refused:
        take(deps, "stripe", {"Stripe-Signature": signed("", int(time.time()), b"{}")}, b"{}")
    assert refused.value.code == "not_found"


def test_each_secret_is_as_good_as_the_others_while_they_are_rotated(bell: Bell) -> None:
    bell.till.change(stripe_webhook_secret=("whsec_n3wn3wn3w", SECRET))
    assert bell.ring("refund.updated", id="re_1") == "answered"
    assert bell.ring("refund.updated", id="re_1", secret="whsec_n3wn3wn3w") == "answered"


def test_where_the_worker_dies_at_once_the_ring_is_there(bell: Bell, place: Place, answering: Answering) -> None:
    bell.till.database.dies_after = "keep_said"
    with pytest.raises(Died):
        bell.ring("refund.updated", id="re_1")
    assert (len(rows(place, KEPT)), len(rows(place, RUNG)), answering.asked) == (1, 1, [])


def test_a_database_that_is_down_has_the_gateway_send_it_again(bell: Bell, answering: Answering) -> None:
    nowhere = Database(replace(bell.till.settings, db_host="127.0.0.1", db_port=pick(1)[0]))
    body = b'{"id": "evt_1", "type": "refund.updated", "data": {"object": {"id": "re_1"}}}'
    headers = {"Stripe-Signature": signed(SECRET, int(time.time()), body)}
    with pytest.raises(DatabaseUnavailable):
        take(bell.till.deps._replace(database=nowhere), "stripe", headers, body)
    assert answering.asked == []


def test_where_no_thread_can_be_started_the_ring_is_left(
    bell: Bell, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(webhook, "Thread", Refused)
        for _ in range(MOST + 1):
            assert bell.ring("refund.updated", id="re_1") == "left"
    assert bell.ring("refund.updated", id="re_1") == "answered"


def test_it_is_counted_by_what_it_led_to(bell: Bell, answering: Answering) -> None:
    before = WEBHOOKS.read()
    bell.ring("customer.created", id="cus_1")
    bell.ring("refund.updated", id="re_1")
    with pytest.raises(Problem):
        bell.ring("refund.updated", id="re_1", secret="whsec_0th3r0th3r")
    counted = {labels: count - before.get(labels, 0) for labels, count in WEBHOOKS.read().items()}
    assert {labels[1]: count for labels, count in counted.items() if count} == {
        "ignored": 1,
        "answered": 1,
        "refused": 1,
    }
