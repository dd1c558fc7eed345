"""`CELLS=mumbai=1,delhi=2 make run`: each cell as a start of its own, all behind one front door."""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from local import cell, front_door_cells, place, prometheus, service_port, shell
from local.foreground import REVIVAL, START_PATIENCE, CannotStartError, say
from local.front_door import command
from local.place import LOG, RUN
from local.ports import HOST, pick
from local.service_port import answers
from local.supervisor import GIVEN_UP, Program, Supervisor
from local.surroundings import CELL
from shared.platform.settings import SettingError, Settings, stop
from shared.rules.cells import Cell

BETWEEN_LOOKS = 0.05  # seconds, while the cells start
ENDS_WITHIN = 150  # seconds: its groups one after the other, each of which has 40


def run(listed: Sequence[Cell], ending: ExitStack) -> None:
    """Starts all cells and their front door, says so, and looks after them until asked to stop."""
    _check(listed)
    ending.enter_context(place.alone())
    ended = place.end_left_over()
    if ended:
        say(f"Ended {ended} processes that an earlier start left over.")
    door = service_port.read(os.environ.get("SERVICE_PORT") or str(service_port.DEFAULT))
    *ports, figures = pick(len(listed) + 1, {door})
    cells = [each._replace(address=f"{HOST}:{port}") for each, port in zip(listed, ports, strict=True)]
    supervisor = Supervisor(_programs(cells, door, figures), {**os.environ, "CELLS": _written(cells)})
    ending.callback(place.end_left_over)
    ending.callback(supervisor.stop)
    ending.callback(say, "Stopping.")
    voices = [ending.enter_context(Voice(each.name, max(len(other.name) for other in cells))) for each in cells]
    supervisor.start("cells", "front")
    _wait_until_up(supervisor, voices, door)
    _write_figures(cells)
    say(summary(cells, door))
    while True:
        supervisor.wait(REVIVAL)
        said = [voice.show() for voice in voices]
        if any(said):  # one that started again has other ports
            _write_figures(cells)
        supervisor.revive()


class Voice:
    """What a cell says from now on, shown line by line under its name. Why it cannot start is kept in `why`, and shown once for
    as long as it is tried again and that stays so."""

    def __init__(self, name: str, width: int) -> None:
        self.name = name
        self.up, self.why = False, ""
        self._width = width
        self._unended = ""
        self._log = (LOG / f"{CELL}{name}.log").open("a+", encoding="utf-8")

    def __enter__(self) -> "Voice":
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()

    def show(self) -> bool:
        """Shows what it has said since; whether that was anything."""
        *lines, self._unended = (self._unended + self._log.read()).split("\n")
        for said in map(json.loads, lines):
            message = said.get("message", "")
            is_up = message.startswith(cell.UP)
            if said.get("level") == "CRITICAL":
                known, self.why = self.why, message
                if message == known or not self.up:
                    continue
            elif is_up:
                self.why = ""
            say(f"{self.name:<{self._width}}  {message}")
            self.up = self.up or is_up
        return bool(lines)


def _check(listed: Sequence[Cell]) -> None:
    """Every cell's settings, before anything is started; ends this process with one line where one is wrong."""
    for each in listed:
        if each.address:
            stop(f"CELLS has an address for {each.name}: make run gives each cell one itself")
        own = {"CELL": str(each.number), "CELL_NAME": each.name}
        try:
            Settings.read(shell.ours({**os.environ, **own}))
        except SettingError as wrong:
            stop(f"{each.name}: {wrong}")


def _written(cells: Sequence[Cell]) -> str:
    return ",".join(f"{each.name}={each.number}@{each.address}" for each in cells)


def _programs(cells: Sequence[Cell], door: int, figures: int) -> list[Program]:
    made = []
    for each in cells:
        words = [sys.executable, "-m", "local.cell", each.name, str(each.place[1])]
        made.append(Program(f"{CELL}{each.name}", words, "cells", 30, ends_within=ENDS_WITHIN, gives_up=cell.GIVES_UP))
    bootstrap = front_door_cells.write(RUN, door, cells, figures=figures)
    return [*made, Program("front_door", command(bootstrap), "front", 40)]


def _write_figures(cells: Sequence[Cell]) -> None:
    """What one Prometheus is told of all cells."""
    prometheus.write_all(RUN, [_folder(each) / "run" / "prometheus.yml" for each in cells])


def _wait_until_up(supervisor: Supervisor, voices: Sequence[Voice], door: int) -> None:
    """Every cell says that it is, and the front door that it finds them. Raises CannotStartError, also where that takes
    longer than one after the other would."""
    deadline = time.monotonic() + START_PATIENCE * (len(voices) + 1)
    while not (all(voice.up for voice in voices) and answers(door, "/health")):
        states, is_late = supervisor.states(), time.monotonic() > deadline
        for voice in voices:
            voice.show()
            if not voice.up and (is_late or states[f"{CELL}{voice.name}"] in GIVEN_UP):
                voice.show()
                raise CannotStartError(
                    f"{voice.name} does not start: {voice.why or f'see {LOG}/{CELL}{voice.name}.log.'}"
                )
        if is_late or states["front_door"] == "FATAL":
            raise CannotStartError(f"front_door does not start: see {LOG}/front_door.log.")
        supervisor.wait(BETWEEN_LOOKS)


def summary(cells: Sequence[Cell], door: int) -> str:
    """The one address, each cell's, and three lines to try."""
    address = f"http://localhost:{door}"
    width = max(len(each.name) for each in cells)
    lines = [
        f"  {each.name:<{width}}  {address}/cells/{each.name}, number {each.number}, data in {place.shown(_folder(each))},"
        f" its own address http://{each.address}"
        for each in cells
    ]
    first = cells[0].name
    return f"""
The payment service answers at {address}, for the cells
{chr(10).join(lines)}
Look at them in a browser:     {address}/console
Logs are in log/ below each cell's data, and in {place.shown(LOG)}; Ctrl-C ends everything

Try:
  curl {address}/health
  curl {address}/payments -H 'Payment-Cell: {first}' -H 'Content-Type: application/json' \\
    -H 'Idempotency-Key: test-payment-001' -d '{{"trip_id": 101, "method": "CARD", "amount": 150.00}}'
  curl {address}/cells/{first}/metrics
"""


def _folder(each: Cell) -> Path:
    return place.folder({"CELL": str(each.number)})
