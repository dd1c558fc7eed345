"""Neighbours that cost little: a Trip Service whose every trip is completed, and a sink that takes so many seconds for each
event, side by side, and tells how late each came. `python -m benchmarks.neighbours PORT SECONDS`"""

import asyncio
import json
import sys
import time
from datetime import datetime

TRIP = b'{"trip_id": 7, "status": "COMPLETED", "distance_km": 10.5, "surge_multiplier": 1.2}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n"
late: dict[str, float] = {}
again = 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = [line.partition(":") for line in head.split("\r\n")]
            headers = {name.lower(): value.strip() for name, _, value in lines}
            await reader.readexactly(int(headers.get("content-length", 0)))
            body = b""
            if "/trips/" in head:
                body = TRIP
            elif head.startswith("GET"):
                body = json.dumps({"events": len(late), "again": again, "late": list(late.values())}).encode()
            else:
                _note(headers)
                await asyncio.sleep(float(sys.argv[2]))
            writer.write(HEAD % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _note(headers: dict[str, str]) -> None:
    global again
    event_id = headers["ce-id"]
    if event_id in late:
        again += 1
    else:
        late[event_id] = time.time() - datetime.fromisoformat(headers["ce-time"]).timestamp()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=200)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
