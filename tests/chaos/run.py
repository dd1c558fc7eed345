"""Runs a storm and checks the accounts: `make chaos SECONDS=300 SEED=7`, `CELLS=2` over two cells, `REAL=1` with the time-outs
of production."""

import argparse
import random
import signal
import sys
from dataclasses import replace

from tests.chaos.cell_invariants import check_across
from tests.chaos.cells import one_falls, running_cells
from tests.chaos.decks import Decks
from tests.chaos.places import ALONE, Trips
from tests.chaos.plan import REAL, SHORT, Plan
from tests.chaos.report import Report, conclude, draw_up
from tests.chaos.storm import Storm, pass_over
from tests.chaos.world import running


def chaos(plan: Plan) -> Report:
    """A storm, the calm after it, and the accounts; prints what it does."""
    with Trips([ALONE]) as trips, running(plan, trips) as world:
        world.say(f"seed {plan.seed}: a storm of {plan.seconds:g} seconds over {len(world.instances)} functions")
        storm = Storm(world, Decks(plan.seed))
        pass_over([storm])
        return conclude(plan, [draw_up(storm)])


def chaos_of_cells(plan: Plan) -> Report:
    """The same over two cells behind the front door of cells, of which at first one falls alone; with the accounts of each, and
    of one beside the other."""
    with running_cells(replace(plan, clients=plan.clients // 2)) as worlds:
        for world in worlds:
            world.say(f"seed {plan.seed}: a storm of {plan.seconds:g} seconds over {len(world.instances)} functions")
        decks = Decks(plan.seed, len(worlds))
        storms = [Storm(world, decks) for world in worlds]
        struck, spared = random.Random(f"{plan.seed}/falls").sample(storms, 2)
        pass_over(storms, at_first=lambda: one_falls(struck, spared))
        accounts = [draw_up(storm) for storm in storms]
        return conclude(plan, accounts, check_across(accounts))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cells", type=int, choices=[1, 2], default=1)
    parser.add_argument("--real", action="store_true", help="the time-outs of production")
    parser.add_argument("--logs", default="", help="a folder for the functions' logs")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan(options.seconds, seed, REAL if options.real else SHORT, keep_logs=options.logs)
    report = chaos(plan) if options.cells == 1 else chaos_of_cells(plan)
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
