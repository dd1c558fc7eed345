"""The ports that a start picks for its programs."""

import pytest

from local import ports, run, system
from shared.platform.settings import Settings


def test_no_program_is_given_the_port_of_the_front_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many free ports as are wanted, and that one."""
    wanted = len(system.FUNCTIONS) + len(system.NEIGHBOURS) + len(system.SCRAPED) + 1
    door, *others = ports.pick(wanted + 1)
    monkeypatch.setattr(ports, "_outside_ephemeral", lambda: [door, *others])
    start = run._prepare({"SERVICE_PORT": str(door), "DB_HOST": "elsewhere"}, Settings.read({}))
    assert sorted([*start.ports.values(), *start.scraped.values()]) == sorted(others)


def test_starts_that_come_at_once_are_given_different_ports() -> None:
    wanted = len(ports._outside_ephemeral()) // 3
    first, second = (set(ports.pick(wanted, turn=(turn, 2))) for turn in (0, 1))
    assert first
    assert second
    assert not first & second
