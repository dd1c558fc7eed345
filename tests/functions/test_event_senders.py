"""Who may send events: with AUTH_EVENTS the functions behind the Broker and the clock take them from its subjects alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local import timer
from local.event_token import write
from shared.events.event import TRIP_COMPLETED
from shared.events.outbox import MOST_REFUSALS
from shared.platform.settings import Settings
from tests.fakes.issuer import WRONG, Issuer, bad_token
from tests.fakes.sink import Sink
from tests.fakes.trips import TripServer
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.functions import Functions
from tests.support.outbox import until
from tests.support.settings import ENVIRONMENT

BROKER = "system:serviceaccount:payments:notify-of-payments-oidc-eventing.knative.dev-trigger"
FUNCTIONS = ("notify", "sweep", "dead_letters", "charge_trip", "reconcile")
EVENT = {
    "ce-specversion": "1.0",
    "ce-type": "com.ridehailing.payment.succeeded.v1",
    "ce-source": "/payment-service",
    "ce-id": "PAY-1.succeeded",
    "ce-subject": "payments/1",
    "ce-knativeerrorcode": "401",
    "Content-Type": "application/json",
}
# What each says to an event that it takes: dead_letters has the Broker's publisher send it again, since a 401 passes.
TAKEN = {"notify": 204, "sweep": 204, "dead_letters": 424, "charge_trip": 204, "reconcile": 204}
TRIP = {"trip_id": 7, "method": "CASH"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def running(
    issuer: Issuer, place: Place, sink: Sink, trips: TripServer, tmp_path: Path, functions: Callable[..., Functions]
) -> Functions:
    keys = issuer.write(tmp_path / "jwks.json")
    senders = {"issuer": issuer.url, "keys": str(keys), "subjects": [BROKER]}
    settings = {"AUTH_EVENTS": json.dumps(senders), "NOTIFICATION_SERVICE_URL": sink.url.removesuffix("/events")}
    return functions(list(FUNCTIONS), {**ENVIRONMENT, **place.environment, **settings})


def _send(functions: Functions, name: str, token: str | None) -> Any:
    headers = EVENT | ({} if token is None else {"Authorization": f"Bearer {token}"})
    if name == "charge_trip":
        headers |= {"ce-type": TRIP_COMPLETED}
    body = json.dumps(TRIP | {"payment_id": 1}).encode()
    return urllib3.request("POST", functions.url(name), body=body, headers=headers, retries=False)


def test_only_the_subjects_that_are_named_may_send_events(
    running: Functions, issuer: Issuer, place: Place, sink: Sink
) -> None:
    an_event(place.sql, EVENT["ce-id"])
    strangers = {"no token": None, **{wrong: bad_token(issuer, wrong) for wrong in WRONG}}
    for name in FUNCTIONS:
        for what, token in strangers.items():
            answer = _send(running, name, token)
            assert (answer.status, answer.json()["code"]) == (
                401,
                "unauthorized" if token is None else "invalid_token",
            ), f"{name}: {what}"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        # A caller of the API, whatever it may do there, is no Broker.
        other = _send(running, name, issuer.token(scope="payments:write payments:read events:send"))
        assert (other.status, other.json()["code"]) == (403, "insufficient_scope"), name
        assert sink.received == []
    assert place.sql.value("SELECT refusals FROM outbox") == 0
    for name in FUNCTIONS:
        assert _send(running, name, issuer.token(sub=BROKER)).status == TAKEN[name], name
        assert urllib3.request("GET", f"{running.url(name)}/healthz").status == 200
    assert [event.path for event in sink.received] == ["/v1/notifications"]
    assert place.sql.value("SELECT caller FROM payments") == f"{issuer.url} {BROKER}", "who sent the event of the trip"
    for name in FUNCTIONS:
        assert issuer.token(sub=BROKER).split(".")[0] not in running.log(name), "a token is never logged"


def test_a_broker_that_notify_does_not_know_yet_loses_no_event(
    running: Functions, issuer: Issuer, place: Place
) -> None:
    an_event(place.sql, EVENT["ce-id"])
    for _ in range(2 * MOST_REFUSALS):
        assert _send(running, "dead_letters", issuer.token(sub=BROKER)).status == 424
    assert place.sql.run("SELECT refusals, refused_at FROM outbox") == [{"refusals": 0, "refused_at": None}]


def test_a_token_made_at_a_start_lets_the_publisher_and_the_clock_in_and_the_next_start_s_takes_its_place(
    place: Place, sink: Sink, tmp_path: Path, functions: Callable[..., Functions]
) -> None:
    made = write(tmp_path)
    notifications = {"NOTIFICATION_SERVICE_URL": sink.url.removesuffix("/events")}
    both = functions(["notify", "sweep"], {**ENVIRONMENT, **place.environment, **notifications, **made.settings})
    an_event(place.sql, "e", data='{"payment_id": 1}', created_at="2020-01-01")
    assert timer.tick(both.url("sweep")) == "it answered 401"
    both.environment["K_SINK"] = both.url("notify")
    both.restart("sweep")
    assert timer.tick(both.url("sweep"), str(made.token)) is None
    until(lambda: [event.path for event in sink.received] == ["/v1/notifications"])
    before = made.token.read_text()
    write(tmp_path)
    assert made.token.read_text() != before
    # An unknown key has the file read anew, though not more often than every few seconds.
    until(lambda: timer.tick(both.url("sweep"), str(made.token)) is None, seconds=15)
    assert {made.token.stat().st_mode & 0o777, made.keys.stat().st_mode & 0o777} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["event-keys.json", "event-token"]


def test_keys_are_found_in_a_folder_of_whatever_name(tmp_path: Path) -> None:
    folder = tmp_path / "ü 'x' \"1\" %s"
    folder.mkdir()
    senders = Settings.read(write(folder).settings).auth_events
    assert senders is not None
    assert Path(senders.issuer.keys).is_file()
