"""Whose an event is: the publisher's token goes with each, is never shown, and is no reason to set an event aside."""

from collections.abc import Iterable
from logging import LogRecord
from pathlib import Path

import pytest

from shared.events.outbox import MOST_REFUSALS
from shared.platform.log import log
from tests.fakes.sink import Sink
from tests.support.cluster import Place
from tests.support.outbox import deliver_left, delivered, grow_old, until
from tests.support.till import Till


def shown(records: Iterable[LogRecord]) -> str:
    return "\n".join(log.handlers[0].format(record) for record in records)


def test_an_event_carries_the_token_that_is_in_the_file_at_that_moment(
    events: Till, sink: Sink, place: Place, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    events.change(event_token_file=str(token))
    for written in ("first", "second"):
        token.write_text(f"{written}\n")
        events.pay(method="CASH")
        delivered(place)
    assert [event.headers["authorization"] for event in sink.received] == ["Bearer first", "Bearer second"]


def test_without_a_file_no_event_carries_one(events: Till, sink: Sink) -> None:
    events.pay(method="CASH")
    assert "authorization" not in sink.wait_for(1)[0].headers


@pytest.mark.parametrize("trouble", ["no file", "no token", "401", "403"])
def test_an_event_that_nobody_vouches_for_waits_and_is_not_set_aside(
    events: Till, sink: Sink, place: Place, tmp_path: Path, trouble: str, logged: list[LogRecord]
) -> None:
    token = tmp_path / "token"
    events.change(event_token_file=str(token))
    if trouble != "no file":
        token.write_text("a secret" if trouble == "no token" else "secret")
    if trouble.isdecimal():
        sink.status = int(trouble)
    events.pay(method="CASH")
    until(lambda: "event not delivered" in shown(logged))
    for _ in range(MOST_REFUSALS):
        grow_old(place)
        assert deliver_left(events, 1) == 0
    assert place.sql.run("SELECT refusals, refused_at FROM outbox") == [{"refusals": 0, "refused_at": None}]
    token.write_text("good-secret")
    sink.status = 202
    grow_old(place)
    assert deliver_left(events) == 1
    assert [event.headers["authorization"] for event in sink.received if event.taken] == ["Bearer good-secret"]
    assert "secret" not in shown(logged)
