"""Of which cell a database is: each new connection is asked, in the round trip of its first statement, and a process that was
led to another cell's database ends."""

import os
import sys
import threading
from typing import NoReturn

from shared.platform.settings import cannot_start, stop

# The SQLSTATE by which a database refuses another cell (in_cell, sql/migrations/0028_cells.sql).
ANOTHER_CELL = "WCELL"
# A worker that ends with it is not started again: its server ends too (gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR).
BOOT_ERROR = 3

_ending = threading.Lock()


def question(cell: int) -> str:
    """What is sent before the first statement on a connection."""
    return f"SELECT in_cell({cell}); "


def end(reason: str) -> NoReturn:
    """Ends this process with one clear line: by SystemExit where that does it, else at once. What was under way is another
    process's then, as after any death."""
    if threading.current_thread() is threading.main_thread():
        stop(reason)
    end_at_once(reason)


def end_at_once(reason: str) -> NoReturn:
    """Ends this process with one clear line and BOOT_ERROR, and the server whose worker it is too."""
    with _ending:  # whoever comes second waits for the end
        print(cannot_start(reason), file=sys.stderr, flush=True)
        os._exit(BOOT_ERROR)
