"""A start in the foreground: it lasts until Ctrl-C or SIGTERM, and says in one line why it could not."""

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

import psycopg2

from local import place
from local.postgres import ClusterError
from local.supervisor import SupervisorDiedError
from sql.owner import DatabaseUnavailableError

START_PATIENCE = 60.0  # seconds
REVIVAL = 2.0  # seconds between looks at what keeps dying at once
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(BaseException):
    """Ctrl-C, SIGTERM, or the terminal was closed."""


class CannotStartError(Exception):
    """The message is one line for whoever typed the command."""


def until_stopped(run: Callable[[ExitStack], None]) -> None:
    """Runs it, and ends what it left to be ended. Where it could not start, or go on, this process ends with one line."""
    for number in SIGNALS:
        signal.signal(number, _ask_to_stop)
    try:
        with ExitStack() as ending:
            run(ending)
    except StopAsked:
        say("Stopped.")
    except (
        CannotStartError, ClusterError, place.AlreadyRunningError, place.DataUnusableError, SupervisorDiedError,
        DatabaseUnavailableError, psycopg2.Error, OSError,
    ) as reason:  # fmt: skip
        sys.exit(" ".join(str(reason).split()))


def say(text: str) -> None:
    """Prints it, if there is still somebody to read it."""
    try:
        print(text, flush=True)
    except OSError:
        return  # the terminal is gone; what was to be done goes on


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    """Once: what is being ended must not be interrupted."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise StopAsked
