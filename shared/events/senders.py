"""Threads that deliver events: as many as keep pace, and no more."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.failed import Failed
from shared.platform.log import correlation_id, function_name

# At most so many at once: 640 a second to a sink that takes 50 ms, more than one function charges. Threads take their share of
# Python's one lock even where they only wait, so there are as few as keep pace: one more for each event that waited for a
# whole turn, one less after so many turns in which none did.
SENDERS = 32
CALM = 100
# Whoever waits for an answer for longer than this many seconds does not count among them, up to so many: one event in ten that
# hangs keeps the others from nothing.
SLOW = 1.0
MOST_SLOW = 64

# An event that is held from here on, what came of its delivery, or that the process ends.
Message = Event | tuple[Event, Failed | None] | None


class Senders:
    """Threads that deliver what is ready, and put what came of it into the inbox."""

    def __init__(self, sink: EventSink, inbox: "SimpleQueue[Message]") -> None:
        self._sink = sink
        self.ready: SimpleQueue[Event | None] = SimpleQueue()
        self.number = 0
        self._inbox = inbox
        self._calm = 0  # turns
        self._under_way: dict[str, float] = {}  # since when

    def hire(self) -> None:
        """Raises RuntimeError where the machine gives no thread."""
        started(self._send, "event sender")
        self.number += 1

    def fit(self, overdue: int) -> None:
        """Becomes as many as keep pace, given how many events waited for a whole turn."""
        self._calm = 0 if overdue > 0 else self._calm + 1
        if self._calm >= CALM and self.number > 1:
            self._calm = 0
            self.end(1)
        slow_ones = sum(since < time.monotonic() - SLOW for since in list(self._under_way.values()))
        for _ in range(min(overdue, SENDERS + min(slow_ones, MOST_SLOW) - self.number)):
            try:
                self.hire()
            except RuntimeError:
                return  # those that there are go on

    def end(self, number: int) -> None:
        """Lets so many go once they have delivered what is ready."""
        for _ in range(number):
            self.ready.put(None)
        self.number -= number

    def _send(self) -> None:
        while event := self.ready.get():
            correlation_id.set(event.correlation_id)
            self._under_way[event.event_id] = time.monotonic()
            failed = self._sink.deliver(event)
            del self._under_way[event.event_id]
            self._inbox.put((event, failed))


def started(work: Callable[[], None], name: str) -> threading.Thread:
    """A thread that ends with the process, with this one's function name in its log. (A ThreadPoolExecutor takes no work once
    the interpreter begins to end, which is when the queue is drained.)"""
    function = function_name.get()

    def named() -> None:
        function_name.set(function)
        work()

    thread = threading.Thread(target=named, name=name, daemon=True)
    thread.start()
    return thread
