"""How a function is served in the image; `functions-framework` alone serves it on a developer's machine."""

import gc
import os
import select
from logging import Formatter, LogRecord
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

bind = f"0.0.0.0:{os.environ.get('PORT', '8080')}"

# One process: a pod is small, and Knative starts more pods rather than a pod more processes. Knative lets 8 requests in
# (containerConcurrency), and more threads answer probes while all eight wait for a gateway. Who else sends requests sends more
# at once; a thread that is not needed is never started.
workers = 1
threads = int(os.environ.get("GUNICORN_THREADS", "20"))

# Longer than the 90 s for which Knative's queue-proxy keeps an idle connection: the side that may send on a connection must
# be the one that closes it, or a request meets a closed one and becomes a stray 502.
keepalive = 95

# Of the worker, not of a request: it says so much as "alive" from its main loop. Heartbeats in memory, since a disk that
# stalls would have a healthy worker killed.
timeout = 30
worker_tmp_dir = "/dev/shm"  # noqa: S108 - memory, in a container of its own

# SIGTERM: requests that run have as long as the slowest takes.
graceful_timeout = 55

# Needs a writable home; the root file system is read-only.
control_socket_disable = True


# Milliseconds. Under load the next request on a connection comes sooner; and whoever waits for a thread meanwhile hardly
# notices.
STAYS = 20


class Worker(ThreadWorker):  # type: ignore[misc]
    """gthread, whose threads stay with a connection for its next request as long as there is one for each connection: to hand
    it to the main loop and back costs a sixth of what the server and the framework do for a request."""

    def handle(self, conn: Any) -> Any:
        kept = super().handle(conn)
        while kept is True and self.alive and self.nr_conns <= self.cfg.threads and self._has_next(conn):
            kept = super().handle(conn)
        return kept

    def _has_next(self, conn: Any) -> bool:
        if conn.parser.unreader.buf.getvalue():  # read already: the main loop sees to that
            return False
        waiter = select.poll()
        waiter.register(conn.sock, select.POLLIN)
        return bool(waiter.poll(STAYS))


worker_class = Worker


def on_starting(server: Any) -> None:
    """A wrong setting ends the start with its one clear line; in a worker it would be started again and again."""
    from shared.platform import process  # noqa: F401 - counts from here on, the server's start, in its workers too
    from shared.platform.settings import read_settings

    read_settings()


# What is loaded stays: to look for garbage in it is in vain while it loads, and later would hold up a request.


def post_fork(server: Any, worker: Any) -> None:
    gc.disable()
    if worker.age > 1:  # in the place of one that ended
        from shared.platform import process

        process.begin_anew()


def post_worker_init(worker: Any) -> None:
    gc.freeze()
    gc.enable()


class JsonLine(Formatter):
    def format(self, record: LogRecord) -> str:
        # When something is said at all: a start that goes well waits for no import.
        from shared.platform.log import Line

        return Line().format(record)


class JsonLogger(Logger):  # type: ignore[misc]
    """What the server itself has to say (a worker that was killed, a function that cannot be loaded), in lines of JSON."""

    def _set_handler(self, log: Any, output: str, fmt: Formatter, stream: Any = None) -> None:
        super()._set_handler(log, output, JsonLine(), stream)


logger_class = JsonLogger
# The functions write a line for each request themselves.
accesslog = None
errorlog = "-"
loglevel = "warning"
