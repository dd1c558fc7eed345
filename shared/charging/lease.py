"""A lease on a request that claimed something: the right to ask the gateway about it, for a while."""

import time
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.charging.askings import Askings
from shared.charging.dependencies import Dependencies
from shared.charging.next_action import written
from shared.charging.told import told_of
from shared.gateways.protocol import GatewayRequest, Unknown, Waiting
from shared.platform.database import Row

# Pauses of a sweep, in seconds. 5: what is unknown is nearly always known a moment later. 10 minutes: somebody looks at what
# is older by then, and a gateway that answers is not asked in vain for hours. 30 s while it does not answer: what an outage
# left behind is asked about soon after its end.
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
LONGEST_UNANSWERED_PAUSE = 30.0


class Lease(NamedTuple):
    """Taken by one short statement; the work happens outside of it. `locked_at` is the lease itself, by the database's clock.
    On this worker's monotonic clock, `taken_at` is from before it was taken; `asks_until` and `over_at` count from there.
    `account` is the gateway's account that it was claimed with: None for claims from before accounts were recorded. `shown`
    is the JSON text of the PENDING payment or refund."""

    key_hash: bytes
    locked_at: datetime
    taken_at: float
    asks_until: float
    over_at: float
    payment_id: int
    refund_id: int | None
    correlation_id: str
    gateway: str
    account: str | None
    request: GatewayRequest
    shown: str

    def allows_a_call(self) -> bool:
        """Whether a call to the gateway that begins now ends while the lease is surely still ours. A worker that was frozen
        past it and wakes up finds that it does not."""
        return time.monotonic() < self.asks_until

    def is_over(self) -> bool:
        """Whether somebody else may hold the lease by now, or have settled: this worker was frozen."""
        return time.monotonic() >= self.over_at

    def about(self) -> dict[str, int]:
        """What it is on, for a line in the log."""
        return about(self.payment_id, self.refund_id)


def about(payment_id: int, refund_id: int | None) -> dict[str, int]:
    """Which payment, and which refund of it, as the log names them."""
    return {"payment_id": payment_id} if refund_id is None else {"payment_id": payment_id, "refund_id": refund_id}


def lease_of(deps: Dependencies, row: Row, taken_at: float) -> Lease:
    """The lease in a row of a claim with what was claimed, of lease_key or pending, or of lease_next and open_request."""
    is_refund = row["refund_id"] is not None
    request = GatewayRequest(
        reference=row["reference"],
        payment_id=row["payment_id"],
        amount=row["amount"],
        currency=row["currency"],
        created_at=row["created_at"],
        age=row["age"],
        asked=row["asked"],
        payment_token=row["payment_token"],
        payment_customer=row["payment_customer"],
        # A claim without an account is of the version before, which sent no description: a repeat is the same request.
        description=None if is_refund or row["gateway_account"] is None else f"Trip {row['trip_id']}",
        gateway_id=row["gateway_id"],
        search_cursor=row["search_cursor"],
        charge_id=row["payment_gateway_id"] if is_refund else None,
        simulate=row["simulate"],
        method=row["method"],
        customer_present=row["customer_present"],
        waits=deps.settings.next_action_timeout if row["waits"] is None else row["waits"],
        made_elsewhere=row["source"] == "gateway",
        told=told_of(row) if row["tells_key"] else None,
    )
    seconds, call_seconds = deps.settings.idempotency_lock_timeout, deps.settings.gateway_timeout
    return Lease(
        key_hash=bytes(row["key_hash"]),
        locked_at=row["locked_at"],
        taken_at=taken_at,
        asks_until=taken_at + (seconds - call_seconds),
        over_at=taken_at + seconds,
        payment_id=row["payment_id"],
        refund_id=row["refund_id"],
        correlation_id=row["correlation_id"],
        gateway=row["gateway"],
        account=row["gateway_account"],
        request=request,
        shown=row["shown"],
    )


def take_over(deps: Dependencies, key_hash: bytes) -> Lease | None:
    """Takes an unsettled request over by its key; None where somebody else holds it or it is settled."""
    taken_at = time.monotonic()
    seconds = deps.settings.idempotency_lock_timeout
    rows = deps.database.run("lease_key", lease_seconds=seconds, key_hash=key_hash)
    return lease_of(deps, rows[0], taken_at) if rows else None


class Unreadable(Exception):
    """A request whose lease was taken cannot be read. It is due again when the lease is old."""

    def __init__(self, key_hash: bytes) -> None:
        super().__init__(f"the request of the key {key_hash.hex()} cannot be read")


def take_next(deps: Dependencies) -> Lease | None:
    """Takes over the unsettled request that has been due longest; None where nothing is due. Raises Unreadable, after which
    the next call gets the next request; and DatabaseUnavailable."""
    while True:
        taken_at = time.monotonic()
        taken = deps.database.one("lease_next", lease_seconds=deps.settings.idempotency_lock_timeout)
        if taken is None:
            return None
        try:
            rows = deps.database.run_again("open_request", key_hash=taken["key_hash"])
            if rows:  # none where the worker that had the lease before settled after all
                return lease_of(deps, taken | rows[0], taken_at)
        except Exception as failure:
            raise Unreadable(bytes(taken["key_hash"])) from failure


def release(deps: Dependencies, lease: Lease, outcome: Unknown | Waiting, askings: Askings) -> Lease:
    """Frees the lease, if it is still ours, and keeps what is known: what the gateway calls it, where a search for it goes on,
    what the customer is to do and for how long that is waited for; and, whoever holds the lease, what the gateway said. A sweep
    asks again after a pause that grows with the age of the claim, however often its client repeats meanwhile, and when the
    customer is waited for no longer. Gives the lease with what is shown from now on."""
    waiting = outcome if isinstance(outcome, Waiting) else None
    act_by = lease.request.created_at + timedelta(seconds=lease.request.waits)
    rows = deps.database.run_together(
        *(["keep_askings"] if askings.made else []),
        "release_key",
        repeatable=True,
        payment_id=lease.payment_id,
        refund_id=lease.refund_id,
        asked=lease.request.asked,
        key_hash=lease.key_hash,
        locked_at=lease.locked_at,
        pause=_pause(lease.request, outcome),
        gateway_id=outcome.gateway_id,
        search_cursor=None if isinstance(outcome, Waiting) else outcome.search_cursor,
        next_action=waiting and written(waiting.next_action, act_by),
        act_by=waiting and act_by,
        **askings.columns(),
    )
    return lease._replace(shown=rows[0]["shown"] or lease.shown) if rows else lease


def _pause(request: GatewayRequest, outcome: Unknown | Waiting) -> float:
    """Seconds until a sweep asks again, where the customer is not waited for no longer before that (release_key)."""
    growing = max(FIRST_PAUSE, request.age)
    if isinstance(outcome, Waiting):
        return min(growing, LONGEST_PAUSE, max(FIRST_PAUSE, request.waits - request.age))
    return min(growing, LONGEST_PAUSE if outcome.answered else LONGEST_UNANSWERED_PAUSE)
