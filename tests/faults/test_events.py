"""Events reach whoever is to hear them: at once when all is well, and at last when it was not."""

import signal
import socket
import time
from collections.abc import Callable

from local.ports import HOST
from tests.fakes.sink import Sink
from tests.faults.service import Service, eventually
from tests.support.cluster import Place
from tests.support.functions import Functions

UNDELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
PAUSES_OVER = "UPDATE outbox SET next_attempt_at = now() WHERE delivered_at IS NULL"


def test_an_event_reaches_the_notification_service_within_a_second_of_its_payment(
    serve: Callable[..., Service], functions: Callable[..., Functions], place: Place
) -> None:
    with Sink() as notifications:
        notify = functions(["notify"], {"NOTIFICATION_SERVICE_URL": f"http://127.0.0.1:{notifications.port}"})
        service = serve(place, "create_payment", K_SINK=notify.url("notify"))
        for number in range(1, 4):
            payment = service.pay()
            answered = time.monotonic()
            heard = notifications.wait_for(number)[-1]
            assert heard.at - answered < 1
            assert heard.path == "/v1/notifications"
            assert heard.headers["idempotency-key"] == f"{payment.json()['reference']}.succeeded"
            assert heard.json()["data"] == payment.json()


def test_with_the_sink_down_for_a_while_payments_are_answered_and_every_event_arrives_afterwards(
    serve: Callable[..., Service], place: Place, events: Sink
) -> None:
    service = serve(place, "create_payment", "sweep")
    assert service.pay().status == 201
    events.wait_for(1)
    events.down()
    answers = [service.pay() for _ in range(10)]
    assert [answer.status for answer in answers] == [201] * 10
    assert max(answer.took for answer in answers) < 1, "an answer waited for the sink"
    eventually(lambda: service.sweep().status == 204 and place.sql.value("SELECT min(attempts) FROM outbox") == 0)
    events.up()
    place.sql.run(PAUSES_OVER)
    eventually(lambda: service.sweep().status == 204 and place.sql.value(UNDELIVERED) == 0)
    due = {f"{answer.json()['reference']}.succeeded" for answer in answers}
    assert due <= set(events.event_ids())


def test_a_notification_service_that_accepts_and_then_dies_is_told_again_under_the_same_key(
    serve: Callable[..., Service], functions: Callable[..., Functions], place: Place
) -> None:
    with Sink() as notifications:
        notify = functions(["notify"], {"NOTIFICATION_SERVICE_URL": f"http://127.0.0.1:{notifications.port}"})
        service = serve(place, "create_payment", "sweep", K_SINK=notify.url("notify"))
        notifications.mute = True  # it takes the request, and is gone before it answers
        payment = service.pay()
        notifications.wait_for(1)
        eventually(lambda: "not notified yet" in notify.log("notify"))
        assert place.sql.value(UNDELIVERED) == 1
        notifications.down()
        place.sql.run(PAUSES_OVER)
        eventually(lambda: service.sweep().status == 204 and place.sql.value("SELECT attempts FROM outbox") > 0)
        notifications.mute = False
        notifications.up()
        place.sql.run(PAUSES_OVER)
        eventually(lambda: service.sweep().status == 204 and place.sql.value(UNDELIVERED) == 0)
        keys = {heard.headers["idempotency-key"] for heard in notifications.received}
        assert keys == {f"{payment.json()['reference']}.succeeded"}
        assert [heard.taken for heard in notifications.received][-1]


def test_sigterm_drains_the_queue_of_events_within_its_grace(
    serve: Callable[..., Service], place: Place, events: Sink
) -> None:
    service = serve(place, "create_payment")
    events.hold()
    answers = [service.pay() for _ in range(12)]
    assert events.reached.acquire(timeout=5)  # one is on its way, the others are queued
    process = service.functions.process("create_payment")
    service.functions.kill("create_payment", signal.SIGTERM)
    eventually(lambda: _refuses(service.functions.ports["create_payment"]))
    assert process.poll() is None, "it did not wait for its events"
    events.release()
    assert process.wait(10) == 0
    assert sorted(events.event_ids()) == sorted(f"{answer.json()['reference']}.succeeded" for answer in answers)
    assert place.sql.value(UNDELIVERED) == 0, "what was delivered is noted, too"


def _refuses(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it met the listener as it closed
        return False
    return False
