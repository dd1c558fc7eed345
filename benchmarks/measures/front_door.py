"""Charges through the front door, beside those that come straight to the function."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks import processor, requests
from benchmarks.measured import Measured, at_least
from benchmarks.stage import Stage, compared
from local import front_door
from local.ports import HOST, pick
from local.system import BEHIND_THE_DOOR

CLIENTS = 8


def measure(stage: Stage) -> Measured:
    """One function, and both ways to it by turns."""
    ours, beside = [], []
    with (
        stage.databases.copy() as place,
        stage.charging(place) as charging,
        _door(stage, charging.functions.ports["create_payment"]) as (door, envoy),
    ):
        url = f"http://{HOST}:{door}/payments"
        charging.ours(CLIENTS, 2, urls=[url])
        passing, passed = 0.0, 0
        for _ in range(stage.rounds):
            before = processor.seconds([envoy])
            taken, answers = charging.ours(CLIENTS, urls=[url])
            passing, passed = passing + processor.seconds([envoy]) - before, passed + answers.requests
            ours.append(taken)
            beside.append(charging.ours(CLIENTS)[0])
    more = f" and {1000 * passing / passed:.2f} ms Envoy"
    return Measured([compared("front door", ours, beside, "straight", at_least(0.90), more)])


# What a large machine takes may be more than a front door lets through.
WITHOUT_A_CEILING = {"max_tokens: 4000, tokens_per_fill: 200": "max_tokens: 4000000, tokens_per_fill: 200000"}


@contextmanager
def _door(stage: Stage, function: int) -> Iterator[tuple[int, psutil.Process]]:
    """Envoy as on a developer's machine: its port, and its process. Whatever function a path is for, this one has it."""
    [port] = pick(1)
    folder = stage.folder / "door"
    folder.mkdir()
    bootstrap = front_door.write(folder, port, dict.fromkeys(BEHIND_THE_DOOR, function), WITHOUT_A_CEILING)
    with (folder / "log").open("wb") as log:
        envoy = subprocess.Popen(front_door.command(bootstrap), stdout=log, stderr=log, env={"PATH": os.defpath})
    try:
        requests.wait_until_listening(port)
        yield port, psutil.Process(envoy.pid)
    finally:
        envoy.kill()
        envoy.wait()
