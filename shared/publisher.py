"""From a commit to the sink: events leave in parallel, in order for each payment, and no answer waits for one."""

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from shared.database import Database, DatabaseUnavailable
from shared.events import FIRST_TYPES, Event, Failed, deliver
from shared.log import correlation_id, log
from shared.outbox import keep, mark_delivered, note_failed, that_wait
from shared.settings import SETTINGS

# So many at once: 640 a second to a sink that takes 50 ms, more than one function charges.
SENDERS = 32
# Seconds. What is delivered is noted together, so often; an event that waits for an earlier one is looked at as often, and
# left to a sweep after so long; what is queued for longer than a second is kept from the sweeps.
NOTE_EVERY = 0.05
LONGEST_WAIT = 5.0
KEEP_EVERY = 1.0
GRACE = 8.0


class Publisher:
    """Delivers events right after their commit, from a bounded queue that no answer waits for.

    What is not delivered (queue full, sink down, process killed) stays in the outbox for a sweep; what is queued or under way
    no sweep sends. Threads start with the first event, never at import, and at the end of the process deliver what is
    queued, within their grace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._room = threading.BoundedSemaphore(SETTINGS.event_queue_size)
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def publish(self, event: Event) -> None:
        """Queues an event for delivery and returns at once. Raises nothing: what the event reports is done and will be
        answered so, and an event that cannot be queued is left to the sweep."""
        if not SETTINGS.k_sink:
            return
        if not self._room.acquire(blocking=False):
            log.warning("event left to the sweep: the queue is full", extra={"event_id": event.event_id})
            return
        try:
            if self._thread is None:
                self._start()
            self._inbox.put(event)
        except Exception:
            self._room.release()
            log.exception("event left to the sweep", extra={"event_id": event.event_id})

    def drain(self) -> None:
        """Delivers what is queued, for at most 8 seconds, and ends."""
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join(GRACE)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                desk = _Desk(self._database, self._inbox, self._room)
                thread = threading.Thread(target=copy_context().run, args=(desk.work,), name="publisher", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self.drain)


@dataclass(frozen=True)
class _Sent:
    """A delivery came to its end."""

    event: Event
    failed: Failed | None


@dataclass
class _Notes:
    """What the database is told, or asked, next."""

    taken: list[str] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    unsure: list[Event] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)

    def write(self, database: Database) -> None:
        """Raises DatabaseUnavailable."""
        if self.kept:
            keep(database, self.kept)
        if self.taken:
            mark_delivered(database, self.taken)
        for failed in self.failed:
            note_failed(database, failed)
        if self.unsure:
            self.blocked = {event.event_id for event in self.unsure}
            self.blocked = that_wait(database, [event.event_id for event in self.unsure])


_Message = Event | _Sent | _Notes | None


class _Desk:
    """What one thread knows of the events of this process; senders send, and one of them at a time writes notes."""

    def __init__(self, database: Database, inbox: "SimpleQueue[_Message]", room: threading.BoundedSemaphore) -> None:
        self._database = database
        self._inbox = inbox
        self._room = room
        self._senders = _Senders(SENDERS + 1)
        self._since: dict[str, float] = {}  # of each event that is held here: when it came
        self._ready: deque[Event] = deque()
        self._under_way = 0
        self._notes = _Notes()
        self._writing = False
        self._note_at = self._keep_at = 0.0
        self._ending = False

    def work(self) -> None:
        """Until it is to end and nothing is left."""
        while self._since or not self._ending:
            self._hear()
            self._send()
            self._write()
        self._senders.end()

    def _hear(self) -> None:
        """Waits for a message, or until there is something else to do; takes all that came."""
        try:
            self._take(self._inbox.get(timeout=self._patience()))
            while True:
                self._take(self._inbox.get_nowait())
        except Empty:
            return

    def _patience(self) -> float | None:
        if not self._since:
            return None
        notes = self._notes.taken or self._notes.failed or self._notes.unsure
        return max(0.0, self._note_at - time.monotonic()) if notes and not self._writing else _keep_every()

    def _take(self, message: _Message) -> None:
        match message:
            case None:
                self._ending = True
            case Event():
                self._since[message.event_id] = time.monotonic()
                if message.type in FIRST_TYPES:
                    self._ready.append(message)
                else:
                    self._notes.unsure.append(message)
            case _Sent():
                self._under_way -= 1
                if message.failed:
                    self._notes.failed.append(message.failed)
                else:
                    self._notes.taken.append(message.event.event_id)
            case _Notes():
                self._take_notes(message)

    def _take_notes(self, written: _Notes) -> None:
        self._writing = False
        for event_id in [*written.taken, *(failed.event_id for failed in written.failed)]:
            self._let_go(event_id)
        for event in written.unsure:
            if event.event_id not in written.blocked:
                self._ready.append(event)
            elif time.monotonic() - self._since[event.event_id] < LONGEST_WAIT:
                self._notes.unsure.append(event)
            else:
                log.warning("event left to the sweep: an earlier one waits", extra={"event_id": event.event_id})
                self._let_go(event.event_id)

    def _let_go(self, event_id: str) -> None:
        del self._since[event_id]
        self._room.release()

    def _send(self) -> None:
        while self._ready and self._under_way < SENDERS:
            event = self._ready.popleft()
            self._under_way += 1
            self._senders.begin(partial(self._deliver, event))

    def _deliver(self, event: Event) -> None:
        correlation_id.set(event.correlation_id)
        self._inbox.put(_Sent(event, deliver(event)))

    def _write(self) -> None:
        now = time.monotonic()
        if self._writing:
            return
        notes = _Notes()
        if now >= self._note_at:
            notes, self._notes = self._notes, notes
            self._note_at = now + NOTE_EVERY
        if now >= self._keep_at:
            self._keep_at = now + _keep_every()
            notes.kept = [event_id for event_id, since in self._since.items() if now - since >= _keep_every()]
        if notes != _Notes():
            self._writing = True
            self._senders.begin(partial(self._write_down, notes))

    def _write_down(self, notes: _Notes) -> None:
        """What cannot be written is left to a sweep, which sends it again or for the first time."""
        correlation_id.set(None)
        try:
            notes.write(self._database)
        except DatabaseUnavailable as failure:
            log.warning("deliveries not noted; a sweep sends them again", extra={"why": str(failure)})
        except Exception:
            log.exception("deliveries not noted; a sweep sends them again")
        self._inbox.put(notes)


def _keep_every() -> float:
    """Before a sweep may take an event, it is kept from it."""
    return min(KEEP_EVERY, SETTINGS.event_sweep_age / 3)


class _Senders:
    """Threads that end with the process, each begun when all others are busy. (A ThreadPoolExecutor's take no work once the
    interpreter begins to end, which is when the queue is drained.)"""

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads = 0
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._busy = 0
        self._counting = threading.Lock()

    def begin(self, task: Callable[[], None]) -> None:
        """Has a thread carry it out: the caller's own, where the machine gives none. For one caller only."""
        with self._counting:
            self._busy += 1
            lacking = self._busy > self._threads
        if lacking and self._threads < self._most:
            self._hire()
        self._tasks.put(task)
        if not self._threads:
            self._carry_out()

    def end(self) -> None:
        """Lets the threads end, which have nothing to do any more."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _hire(self) -> None:
        thread = threading.Thread(target=copy_context().run, args=(self._work,), name="event sender", daemon=True)
        try:
            thread.start()
            self._threads += 1
        except RuntimeError as failure:
            log.warning("too few threads for events", extra={"why": str(failure)})

    def _work(self) -> None:
        while self._carry_out():
            pass

    def _carry_out(self) -> bool:
        task = self._tasks.get()
        if task is None:
            return False
        task()
        with self._counting:
            self._busy -= 1
        return True
