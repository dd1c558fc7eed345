"""From a commit to the sink: events leave in parallel, in order for each payment, and no answer waits for one."""

import atexit
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from shared.database import Database, DatabaseUnavailable
from shared.events import FIRST_TYPES, Event, Failed, deliver
from shared.log import correlation_id, function_name, log
from shared.outbox import keep, mark_delivered, note_failed, that_wait
from shared.settings import SETTINGS

# So many at once: 640 a second to a sink that takes 50 ms, more than one function charges.
SENDERS = 32
# Seconds. What came of deliveries is noted together, so often. What is held for longer than a second is kept from the
# sweeps; what waits longer for an earlier event of its payment is left to them.
NOTE_EVERY = 0.05
KEEP_EVERY = 1.0
LONGEST_WAIT = 5.0
GRACE = 8.0


class Publisher:
    """Delivers events right after their commit, from a bounded queue that no answer waits for.

    What is not delivered (queue full, sink down, process killed) stays in the outbox for a sweep; what is queued or under way
    no sweep sends. Threads start with the first events, never at import, and at the end of the process deliver what is
    queued, within their grace.
    """

    def __init__(self, database: Database) -> None:
        self._room = threading.BoundedSemaphore(SETTINGS.event_queue_size)
        self._ready: SimpleQueue[Event | None] = SimpleQueue()
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._books = _Books(database, self._inbox, self._ready, self._room)
        self._hiring = threading.Lock()
        self._keeper: threading.Thread | None = None
        self._senders = 0

    def publish(self, event: Event) -> None:
        """Queues an event for delivery and returns at once. Raises nothing: what the event reports is done and will be
        answered so, and an event that cannot be queued is left to the sweep."""
        if not SETTINGS.k_sink:
            return
        if not self._room.acquire(blocking=False):
            log.warning("event left to the sweep: the queue is full", extra={"event_id": event.event_id})
            return
        try:
            if self._senders < SENDERS:
                self._hire()
            self._inbox.put(event)
        except Exception:
            self._room.release()
            log.exception("event left to the sweep", extra={"event_id": event.event_id})
            return
        if event.type in FIRST_TYPES:
            self._ready.put(event)

    def drain(self) -> None:
        """Delivers what is queued, for at most 8 seconds, and ends."""
        if self._keeper is not None:
            self._inbox.put(None)
            self._keeper.join(GRACE)

    def _hire(self) -> None:
        """One more sender with each event: whoever has few of them needs few. Raises RuntimeError where the machine gives no
        thread at all."""
        with self._hiring:
            if self._keeper is None:
                self._keeper = _started(self._books.work, "publisher")
                atexit.register(self.drain)
            if self._senders < SENDERS:
                try:
                    _started(self._send, "event sender")
                    self._senders += 1
                except RuntimeError:
                    if not self._senders:
                        raise

    def _send(self) -> None:
        while event := self._ready.get():
            correlation_id.set(event.correlation_id)
            self._inbox.put((event, deliver(event)))
        self._ready.put(None)  # for the next sender


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    """A thread that ends with the process, with this one's function name in its log. (A ThreadPoolExecutor takes no work once
    the interpreter begins to end, which is when the queue is drained.)"""
    function = function_name.get()

    def named() -> None:
        function_name.set(function)
        work()

    thread = threading.Thread(target=named, name=name, daemon=True)
    thread.start()
    return thread


# An event that is held from here on, what came of its delivery, or that the process ends.
_Message = Event | tuple[Event, Failed | None] | None


class _Books:
    """What one thread knows of the events that this process holds, and writes to the outbox."""

    def __init__(
        self,
        database: Database,
        inbox: "SimpleQueue[_Message]",
        ready: "SimpleQueue[Event | None]",
        room: threading.BoundedSemaphore,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._ready = ready
        self._room = room
        self._since: dict[str, float] = {}  # of each event that is held: when it came
        self._later: list[Event] = []  # may have to wait for an earlier one of their payment
        self._sent: list[tuple[Event, Failed | None]] = []
        self._keep_at = 0.0
        self._ending = False

    def work(self) -> None:
        """Until the process ends and nothing is held."""
        while self._since or not self._ending:
            if not self._since:
                self._take(self._inbox.get())
            time.sleep(NOTE_EVERY)
            while not self._inbox.empty():
                self._take(self._inbox.get())
            try:
                self._write()
            except DatabaseUnavailable as failure:
                log.warning("deliveries not noted; a sweep sends them again", extra={"why": str(failure)})
            except Exception:
                log.exception("deliveries not noted; a sweep sends them again")
            self._let_go()
        self._ready.put(None)

    def _take(self, message: _Message) -> None:
        match message:
            case None:
                self._ending = True
            case Event():
                self._since[message.event_id] = time.monotonic()
                if message.type not in FIRST_TYPES:
                    self._later.append(message)
            case _:
                self._sent.append(message)

    def _write(self) -> None:
        """Raises DatabaseUnavailable."""
        taken = [event.event_id for event, failed in self._sent if failed is None]
        if taken:
            mark_delivered(self._database, taken)
        failures = [failed for _, failed in self._sent if failed is not None]
        if failures:
            note_failed(self._database, failures)
        if self._later:
            waiting = that_wait(self._database, [event.event_id for event in self._later])
            for event in self._later:
                if event.event_id not in waiting:
                    self._ready.put(event)
            self._later = [event for event in self._later if event.event_id in waiting]
        self._keep()

    def _keep(self) -> None:
        """Before a sweep may take an event, it is kept from it."""
        every = min(KEEP_EVERY, SETTINGS.event_sweep_age / 3)
        now = time.monotonic()
        ended = {event.event_id for event, _ in self._sent}
        held = [event_id for event_id, since in self._since.items() if now - since >= every and event_id not in ended]
        if held and now >= self._keep_at:
            keep(self._database, held)
            self._keep_at = now + every

    def _let_go(self) -> None:
        """What came to an end, and what has waited for too long."""
        oldest = time.monotonic() - LONGEST_WAIT
        left = [event for event in self._later if self._since[event.event_id] < oldest]
        for event in left:
            log.warning("event left to the sweep: an earlier one waits", extra={"event_id": event.event_id})
        for event in [*left, *(event for event, _ in self._sent)]:
            del self._since[event.event_id]
            self._room.release()
        self._sent = []
        self._later = [event for event in self._later if event not in left]
