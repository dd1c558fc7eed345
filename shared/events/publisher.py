"""From a commit to the sink: events leave in parallel, in order for each payment, and no answer waits for one."""

import atexit
import threading
import time
from queue import SimpleQueue

from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.failed import Failed
from shared.events.outbox import hold, mark_delivered, note_failed, that_wait
from shared.events.senders import Message, Senders, started
from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.log import log
from shared.platform.settings import Settings

# Seconds. A turn, after which what came of deliveries is noted together. What is held for longer than a second is kept from
# the sweeps; what waits longer for an earlier event of its payment is left to them.
TURN = 0.05
KEEP_EVERY = 1.0
LONGEST_WAIT = 5.0
GRACE = 8.0


class Publisher:
    """Delivers events right after their commit, from a bounded queue that no answer waits for.

    What is not delivered (queue full, sink down, process killed) stays in the outbox for a sweep; what is queued or under way
    no sweep sends. Threads start with the first events, never at import, and at the end of the process deliver what is
    queued, within their grace.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._sink = EventSink(settings)
        self._room = threading.BoundedSemaphore(settings.event_queue_size)
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._senders = Senders(self._sink, self._inbox)
        kept_every = min(KEEP_EVERY, settings.event_sweep_age / 3)
        self._held = _Held(database, self._inbox, self._senders, self._room, kept_every)
        self._beginning = threading.Lock()
        self._keeper: threading.Thread | None = None

    def publish(self, event: Event) -> None:
        """Queues an event for delivery and returns at once. Raises nothing: what the event reports is done and will be
        answered so, and an event that cannot be queued is left to the sweep."""
        if not self._sink.url:
            return
        if not self._room.acquire(blocking=False):
            log.warning("event left to the sweep: the queue is full", extra={"event_id": event.event_id})
            return
        try:
            if self._keeper is None:
                self._begin()
            self._inbox.put(event)
        except Exception:
            self._room.release()
            log.exception("event left to the sweep", extra={"event_id": event.event_id})
            return
        if event.comes_first:
            self._senders.ready.put(event)

    def drain(self) -> None:
        """Delivers what is queued, for at most 8 seconds, and ends."""
        if self._keeper is not None:
            self._inbox.put(None)
            self._keeper.join(GRACE)

    def _begin(self) -> None:
        """Raises RuntimeError where the machine gives no threads."""
        with self._beginning:
            if self._keeper is None:
                if not self._senders.number:
                    self._senders.hire()
                self._keeper = started(self._held.work, "publisher")
                atexit.register(self.drain)


class _Held:
    """What one thread knows of the events that this process holds, and writes to the outbox."""

    def __init__(
        self,
        database: Database,
        inbox: "SimpleQueue[Message]",
        senders: Senders,
        room: threading.BoundedSemaphore,
        kept_every: float,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._senders = senders
        self._room = room
        self._kept_every = kept_every  # seconds
        self._since: dict[str, float] = {}  # of each event that is held: when it came
        self._later: list[Event] = []  # may have to wait for an earlier one of their payment
        self._sent: list[tuple[Event, Failed | None]] = []
        self._new = 0  # ready since the last turn
        self._keep_at = 0.0
        self._ending = False

    def work(self) -> None:
        """Until the process ends and nothing is held."""
        while self._since or not self._ending:
            if not self._since:
                self._take(self._inbox.get())
            time.sleep(TURN)
            waiting = self._senders.ready.qsize()
            while not self._inbox.empty():
                self._take(self._inbox.get())
            self._senders.fit(waiting - self._new)
            self._new = 0
            try:
                self._write()
            except DatabaseUnavailable as failure:
                log.warning("deliveries not noted; a sweep sends them again", extra={"why": str(failure)})
            except Exception:
                log.exception("deliveries not noted; a sweep sends them again")
            self._let_go()
        self._senders.end(self._senders.number)

    def _take(self, message: Message) -> None:
        match message:
            case None:
                self._ending = True
            case Event():
                self._since[message.event_id] = time.monotonic()
                if message.comes_first:
                    self._new += 1
                else:
                    self._later.append(message)
            case _:
                self._sent.append(message)

    def _send(self, event: Event) -> None:
        self._new += 1
        self._senders.ready.put(event)

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
                    self._send(event)
            self._later = [event for event in self._later if event.event_id in waiting]
        self._keep()

    def _keep(self) -> None:
        """Before a sweep may take an event, it is kept from it."""
        now, every = time.monotonic(), self._kept_every
        ended = {event.event_id for event, _ in self._sent}
        held = [event_id for event_id, since in self._since.items() if now - since >= every and event_id not in ended]
        if held and now >= self._keep_at:
            hold(self._database, held)
            self._keep_at = now + every

    def _let_go(self) -> None:
        """What came to an end, and what has waited for too long."""
        oldest = time.monotonic() - LONGEST_WAIT
        left = [event for event in self._later if self._since[event.event_id] < oldest]
        for event in left:
            log.warning("event left to the sweep: an earlier one waits", extra={"event_id": event.event_id})
        for event in [*left, *(event for event, _ in self._sent)]:
            self._since.pop(event.event_id, None)
            self._room.release()
        self._sent = []
        self._later = self._later[len(left) :]  # oldest first
