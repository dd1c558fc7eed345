"""Blows at one function, and at its neighbours."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.chaos.processes import Instance
from tests.chaos.world import World
from tests.fakes.trips import Cut


def kill(world: World, target: Instance, lasts: float) -> None:
    target.up = False
    target.signal(signal.SIGKILL)
    time.sleep(lasts * world.plan.times.between_blows)
    target.revive()


def kill_worker(world: World, target: Instance, lasts: float) -> None:
    """As when the kernel picks the worker: the server starts another, and requests meanwhile wait at its door."""
    for worker in psutil.Process(target.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    target.wait_until_ready()


def freeze(world: World, target: Instance, lasts: float) -> None:
    """Past the age of a lease. Clients are not told."""
    target.signal(signal.SIGSTOP)
    time.sleep(world.plan.times.frozen * (1 + lasts / 4))
    target.signal(signal.SIGCONT)


def end(world: World, target: Instance, lasts: float) -> None:
    """As a new version is rolled out: nothing is sent there any more, and it may finish what it has."""
    target.up = False
    target.signal(signal.SIGTERM)
    target.process.wait(60)
    target.revive()


def silence_sink(world: World, lasts: float) -> None:
    world.sink.down()
    try:
        time.sleep(world.plan.times.lock_timeout * (0.5 + lasts))
    finally:
        world.sink.up()


def cut_trips(world: World, lasts: float) -> None:
    """For the trips whose fare is being asked for about now, and some to come."""
    trips = range(world.next_fare, world.next_fare + 20)
    for trip_id in trips:
        world.trips.says(trip_id, Cut())
    time.sleep(lasts * world.plan.times.between_blows)
    for trip_id in trips:
        world.trips.forget(trip_id)


def kill_own_door(world: World, lasts: float) -> None:
    assert world.doors is not None
    world.doors.own.fall(lasts * world.plan.times.between_blows)


def kill_door_of_cells(world: World, lasts: float) -> None:
    assert world.doors is not None
    world.doors.of_cells.fall(lasts * world.plan.times.between_blows)


# Each lasts longer the more `lasts` is, from 0 to 1, and ends with its target whole again.
ON_A_FUNCTION: dict[str, Callable[[World, Instance, float], None]] = {
    "function killed": kill,
    "worker killed": kill_worker,
    "function frozen": freeze,
    "function ended": end,
}
ON_A_NEIGHBOUR: dict[str, Callable[[World, float], None]] = {
    "sink down": silence_sink,
    "trip service cut off": cut_trips,
    "own front door killed": kill_own_door,
    "front door of cells killed": kill_door_of_cells,
}
