"""Load at a chosen rate, whatever the answers take: a request that should have begun and could not is late, not absent."""

import asyncio
import time
from collections.abc import Awaitable, Callable

# Requests under way at once. Beyond that the service has long been overwhelmed, and more would only fill memory.
MOST_UNDER_WAY = 1000

# A request, told when it should have begun (monotonic clock).
Ask = Callable[[float], Awaitable[None]]


async def run(ask: Ask, rate: float, seconds: float) -> int:
    """Begins `rate` requests a second, evenly, for so many seconds, and returns when all are answered: how many could not be
    begun, since too many were under way."""
    under_way: set[asyncio.Task[None]] = set()
    began, refused = time.monotonic(), 0
    for number in range(int(rate * seconds)):
        intended = began + number / rate
        if (early := intended - time.monotonic()) > 0:
            await asyncio.sleep(early)
        if len(under_way) >= MOST_UNDER_WAY:
            refused += 1
            await asyncio.sleep(0)
            continue
        task = asyncio.ensure_future(ask(intended))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return refused


async def as_fast_as_answered(ask: Ask, clients: int, seconds: float) -> float:
    """So many clients that each ask again as soon as they are answered: requests a second."""
    until, asked = time.monotonic() + seconds, 0

    async def client() -> None:
        nonlocal asked
        while time.monotonic() < until:
            await ask(time.monotonic())
            asked += 1

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    return asked / (time.monotonic() - began)
