"""Two cells at once, behind the front door of cells; and one of them falls while the other goes on."""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from local.ports import HOST
from shared.rules.cells import Cell
from tests.chaos import doors
from tests.chaos.diary import ALONE
from tests.chaos.places import Place, Trips, two_cells
from tests.chaos.plan import Plan
from tests.chaos.storm import Storm
from tests.chaos.ways import Doors
from tests.chaos.world import World, running

FALLEN = 2.0  # for how many seconds a cell is down at first
FEWEST = 5  # answers of the other meanwhile, from which anything is to be seen


@contextmanager
def running_cells(plan: Plan) -> Iterator[list[World]]:
    """Two cells, ready: each with everything of its own, but for the Trip Service and the front door of cells."""
    places = two_cells(plan.seed)
    with ExitStack() as stack:
        trips = stack.enter_context(Trips(places))
        stacks = [stack.enter_context(ExitStack()) for _ in places]

        def start(place: Place, own: ExitStack) -> tuple[World, doors.Door]:
            world = own.enter_context(running(plan, trips, place))
            door = own.enter_context(doors.of_one_cell(_ports(world)))
            door.wait_until_open()  # the front door of cells looks for it once a second
            return world, door

        with ThreadPoolExecutor(len(places)) as pool:
            started = list(pool.map(start, places, stacks))
        cells = [_cell(world)._replace(address=f"{HOST}:{own.port}") for world, own in started]
        of_cells = stack.enter_context(doors.of_cells(cells))
        worlds = [world for world, _ in started]
        for world, own in started:
            world.doors = Doors(_cell(world), own, of_cells)
            world.began = worlds[0].began
        of_cells.wait_until_open()
        for world, other in zip(worlds, reversed(worlds), strict=True):
            world.elsewhere = other.doors
        yield worlds


def one_falls(struck: Storm, spared: Storm) -> None:
    """A whole cell is lost, its database and its own front door, and comes back. The clients of the other, of which
    nothing has been struck yet, see nothing of that."""
    fallen = struck.world
    assert fallen.doors is not None
    fallen.say("the whole cell falls")
    spared.world.untouched = True
    fallen.pair.primary.kill()
    fallen.doors.own.fall(FALLEN)
    fallen.pair.primary.start()
    spared.world.untouched = False
    spared.world.say(f"{spared.diary.untouched} answers while the other cell was down")
    if spared.diary.untouched < FEWEST:
        spared.world.complain(ALONE, f"only {spared.diary.untouched} answers from which it could be seen")


def _cell(world: World) -> Cell:
    assert world.place.cell is not None
    return world.place.cell


def _ports(world: World) -> dict[str, list[int]]:
    ports: dict[str, list[int]] = defaultdict(list)
    for instance in world.instances:
        ports[instance.function].append(instance.port)
    return ports
