"""`make events`: what was refused for good, and sending it again."""

import sys

import pytest

from shared.events import resend as module
from shared.events.failed import Failed
from shared.events.outbox import MOST_REFUSALS, note_failed
from tests.fakes.sink import Sink
from tests.sql.rows import an_event
from tests.support import hostile
from tests.support.cluster import Place
from tests.support.outbox import deliver_left, many
from tests.support.till import Till


@pytest.fixture
def set_aside(till: Till, place: Place) -> Till:
    """The till, with the events e and f set aside, and g due."""
    for event_id in ("e", "f", "g"):
        an_event(
            place.sql, event_id, subject=f"payments/{event_id}", created_at="yesterday", next_attempt_at="yesterday"
        )
    for event_id in ("e", "f"):
        for _ in range(MOST_REFUSALS):
            note_failed(till.database, [Failed(event_id, "the sink said 422", for_good=True)])
    return till


def test_lists_what_was_set_aside_oldest_first(set_aside: Till) -> None:
    lines = module.list_set_aside(set_aside.database)
    assert [line.split()[0] for line in lines] == ["e", "f"]
    assert "payments/e" in lines[0]
    assert lines[0].endswith("refused 5 times: the sink said 422")


def test_one_that_is_resent_goes_with_the_next_sweep_as_if_it_had_never_been_tried(
    set_aside: Till, sink: Sink, place: Place
) -> None:
    assert module.resend(set_aside.database, "e") == 1
    assert place.sql.run("SELECT attempts, refusals, refusal, refused_at FROM outbox WHERE event_id = 'e'") == [
        {"attempts": 0, "refusals": 0, "refusal": None, "refused_at": None}
    ]
    assert deliver_left(set_aside) == 2
    assert sorted(sink.event_ids()) == ["e", "g"]


def test_all_are_resent_together(set_aside: Till, sink: Sink) -> None:
    assert module.resend(set_aside.database, module.ALL) == 2
    assert deliver_left(set_aside) == 3


def test_however_many_there_are_all_are_resent(till: Till, place: Place) -> None:
    many(place, 2 * module.RESENT_TOGETHER + 1)
    place.sql.run("UPDATE outbox SET refused_at = now(), next_attempt_at = 'infinity'")
    assert module.resend(till.database, module.ALL) == 2 * module.RESENT_TOGETHER + 1
    assert module.list_set_aside(till.database) == []


@pytest.mark.parametrize("which", ["g", "unknown", "", "e%", "'"])
def test_nothing_else_is_resent(set_aside: Till, which: str) -> None:
    assert module.resend(set_aside.database, which) == 0


def run(monkeypatch: pytest.MonkeyPatch, till: Till, *arguments: str) -> None:
    monkeypatch.setattr(module, "Database", lambda _: till.database)
    monkeypatch.setattr(sys, "argv", ["set_aside", *arguments])
    module.main()


def test_the_command_lists_and_resends(
    set_aside: Till, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, set_aside)
    assert len(capsys.readouterr().out.splitlines()) == 2
    run(monkeypatch, set_aside, "--resend=all")
    assert capsys.readouterr().out == "2 to be sent again by the next sweep\n"
    run(monkeypatch, set_aside)
    assert capsys.readouterr().out == "No event was set aside.\n"


def test_what_a_sink_said_is_no_command_to_the_terminal(
    set_aside: Till, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(MOST_REFUSALS):
        note_failed(set_aside.database, [Failed("g", f"the sink said {hostile.LINE_ENDS}\x1b[2J\u202e", for_good=True)])
    run(monkeypatch, set_aside)
    lines = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("which", ["unknown", "all "])
def test_the_command_says_in_one_line_what_it_cannot_resend(
    set_aside: Till, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, set_aside, f"--resend={which}")
    assert end.value.code == f"{which} is no event that was set aside"
