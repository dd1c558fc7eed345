"""`make reconcile`: what each gateway moved beside what the books say, for an operator; with ADOPT, what the books lost is
entered again.

The exit status is 1 where anything differs, and 2 where it could not be done; make itself says which, and ends with 2 then.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from shared.charging.dependencies import Dependencies
from shared.gateways.protocol import Gateway
from shared.late.ring import By
from shared.platform import log
from shared.platform.database import DatabaseUnavailable
from shared.platform.operator import is_text, operator
from shared.platform.settings import read_settings
from shared.platform.terminal import printable
from shared.reconciling.adopt import Adoption, adopt
from shared.reconciling.progress import Progress
from shared.reconciling.reconcile import reconcile
from shared.reconciling.report import cash_by_day, summary, write_csv
from shared.reconciling.run import LEASE, NotDone, Run, take
from shared.reconciling.window import NoWindow, Window, read_window

DIFFERS, NOT_DONE, INTERRUPTED = 1, 2, 130
FOREVER = float("inf")
# Seconds between two looks at whether somebody else has ended.
PAUSE = 1.0


def main() -> None:
    log.keep_off_standard_output()
    try:
        runs = _reconcile(_arguments())
    except NoWindow as wrong:
        _end(NOT_DONE, str(wrong))
    except NotDone as reason:
        _end(NOT_DONE, f"not done: {reason}; the same command goes on from there")
    except DatabaseUnavailable as failure:
        _end(NOT_DONE, f"the database does not answer: {failure}")
    except OSError as failure:
        _end(NOT_DONE, f"the file cannot be written: {failure}")
    except KeyboardInterrupt:
        _end(INTERRUPTED, "stopped; the same command goes on from there")
    except SystemExit as wrong:  # of a setting, which is said in a line
        if isinstance(wrong.code, str):
            _end(NOT_DONE, wrong.code)
        raise
    except Exception:
        log.log.exception("reconciliation failed")
        _end(NOT_DONE, "failed: the log says how")
    sys.exit(DIFFERS if any(run.differences for run in runs) else 0)


def _reconcile(arguments: argparse.Namespace) -> list[Run]:
    settings = read_settings()
    log.set_level(settings.log_level)
    log.set_cell(settings.cell_label)
    zone = ZoneInfo(settings.time_zone)
    window = read_window(arguments.begins or "", arguments.ends or "", zone, datetime.now(UTC))
    deps = Dependencies.of(settings)
    runs = [_reconciled(deps, gateway, window) for gateway in deps.gateways.that_keep_books()]
    if arguments.adopt:
        _adopt(runs, Adoption(_names(arguments.adopt), By(arguments.actor, arguments.reason)))
        runs = [_reconciled(deps, run.gateway, window) for run in runs]
    _report(deps, runs, window, zone, Path(arguments.out or f"reconciliation-{window.name}.csv"))
    return runs


def _reconciled(deps: Dependencies, gateway: Gateway, window: Window) -> Run:
    run = _take(deps, gateway, window)
    with Progress(gateway.name) as progress:
        reconcile(run, FOREVER, progress.show)
    return run


def _take(deps: Dependencies, gateway: Gateway, window: Window) -> Run:
    """Goes on where somebody was killed, once nobody can be at it any more; who works on it keeps it for himself."""
    for waited in range(int(LEASE / PAUSE) + 1):
        run = take(deps, gateway, window)
        if run is not None:
            return run
        if not waited:
            print("somebody else has it, or was killed: it is waited for a minute at most", file=sys.stderr)
        time.sleep(PAUSE)
    raise NotDone(f"somebody else is reconciling {gateway.name} over this time at this moment")


def _adopt(runs: Sequence[Run], adoption: Adoption) -> None:
    for run in runs:
        for lost in adopt(run, adoption):
            print(printable(f"{'entered' if lost.payment_id else 'NOT ENTERED'}  {lost.name}  {lost.said}"), flush=True)


def _names(typed: str) -> frozenset[str] | None:
    return None if typed == "all" else frozenset(typed.split(","))


def _report(deps: Dependencies, runs: Sequence[Run], window: Window, zone: ZoneInfo, file: Path) -> None:
    if not runs:
        print("no gateway that is set keeps books: there is nothing to compare ours with")
    else:
        for run, counts in zip(runs, write_csv(deps.database, runs, file), strict=True):
            print("\n".join(summary(deps.database, run, counts)))
        print(printable(f"every movement: {file}"))
    print("\n".join(cash_by_day(deps.database, window, zone)))


def _end(status: int, why: str) -> NoReturn:
    print(printable(f"reconcile: {why}"), file=sys.stderr)
    sys.exit(status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make reconcile",
        description="What each gateway moved beside what the books say: yesterday, or FROM and TO.",
    )
    parser.add_argument("--from", dest="begins", metavar="FROM", help="a day of TIME_ZONE, or an RFC 3339 time")
    parser.add_argument(
        "--to", dest="ends", metavar="TO", help="the last day, which is included, or a time, which is not"
    )
    parser.add_argument("--out", metavar="FILE", help="the CSV file (reconciliation-FROM-to-TO.csv)")
    parser.add_argument("--adopt", metavar="all|ID,ID", help="enter what the books lost: all, or by its names there")
    parser.add_argument("--reason", help="why, for the audit trail: ADOPT needs it")
    parser.add_argument("--actor", default=operator(), help="who says so (OPERATOR, or whoever runs this)")
    arguments = parser.parse_args()
    if arguments.adopt and not arguments.reason:
        _end(NOT_DONE, "ADOPT needs a REASON")
    for name, typed in (("REASON", arguments.reason), ("OPERATOR", arguments.actor)):
        if not is_text(typed or ""):
            _end(NOT_DONE, f"{name} must be text in the encoding of this terminal")
    return arguments


if __name__ == "__main__":
    main()
