"""A headless Chromium that is told over its own protocol what to show, since not every build has the switches for that."""

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

WIDTH, HEIGHT = 800, 1000
STARTS_WITHIN, SHOWS_WITHIN = 30.0, 30.0
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


class DoesNotWork(Exception):
    """The browser did not start, or did not show a page in time."""


@dataclass(frozen=True)
class Page:
    """What a page has become: its elements as text, and a picture of it as PNG; what a script in it gave; and of what the
    browser complained meanwhile: an error, a refusal by the page's policy, a request that failed."""

    dom: str
    picture: bytes
    given: Any
    complaints: list[str]


class Browser:
    """Runs `program`, in a profile of its own."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __enter__(self) -> Self:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        command = [self.program, *SWITCHES, f"--user-data-dir={self._profile}", "about:blank"]
        environment = {**os.environ, "HOME": self._profile}
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as reason:
            shutil.rmtree(self._profile, ignore_errors=True)
            raise DoesNotWork(f"{self.program} cannot be run: {reason}") from None
        try:
            self._address = self._listening()
        except DoesNotWork:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.poll()  # it ended by itself, and all its own with it
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def look(self, url: str, script: str = "undefined", width: int = WIDTH, height: int = HEIGHT) -> Page:
        """Opens a page in a window of this size, and runs a script in it: an expression whose promise, if it is one, is
        awaited."""
        try:
            return asyncio.run(asyncio.wait_for(self._look(url, script, width, height), SHOWS_WITHIN))
        except (TimeoutError, OSError, aiohttp.ClientError) as reason:
            raise DoesNotWork(f"{self.program} shows nothing: {reason!r}") from None

    def walk(self, url: str, *steps: tuple[str, str]) -> list[tuple[str, str]]:
        """Opens a page, and of each step runs the script in the next page whose address has the step's text in it. Gives the
        address and the text of each of these pages, before that."""
        try:
            return asyncio.run(asyncio.wait_for(self._walk(url, steps), SHOWS_WITHIN))
        except (TimeoutError, OSError, aiohttp.ClientError) as reason:
            raise DoesNotWork(f"{self.program} does not get there: {reason!r}") from None

    def _listening(self) -> str:
        """Where it takes commands; it says so when it is ready."""
        assert self._process.stderr is not None
        patience = threading.Timer(STARTS_WITHIN, self._process.kill)
        patience.start()
        try:
            said = []
            for line in self._process.stderr:
                said.append(line)
                if found := re.search(r"^DevTools listening on ws://([^/]+)/", line):
                    # What else it says is read and dropped, so that it never waits for a reader.
                    threading.Thread(target=deque, args=(self._process.stderr, 0), daemon=True).start()
                    return found[1]
        finally:
            patience.cancel()
        raise DoesNotWork(f"{self.program} did not start: {' '.join(''.join(said).split())[-300:]}")

    async def _walk(self, url: str, steps: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"http://{self._address}/json/new?about:blank") as made,
            session.ws_connect((await made.json())["webSocketDebuggerUrl"], max_msg_size=0) as socket,
        ):
            page = _Protocol(socket)
            await page.do("Page.enable")
            await page.do("Page.navigate", url=url)
            seen = [("about:blank", "")]
            for wanted, script in steps:
                address, text = seen[-1]
                while wanted not in address or address == seen[-1][0]:
                    await asyncio.sleep(0.05)  # a page may lead to another by itself: no event is the last
                    address, text = await page.whole()
                seen.append((address, text))
                await page.do("Runtime.evaluate", expression=script)
            return seen[1:]

    async def _look(self, url: str, script: str, width: int, height: int) -> Page:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"http://{self._address}/json/new?about:blank") as made,
            session.ws_connect((await made.json())["webSocketDebuggerUrl"], max_msg_size=0) as socket,
        ):
            page = _Protocol(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.do(f"{domain}.enable")
            await page.do(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            await page.do("Page.setLifecycleEventsEnabled", enabled=True)
            shown = await page.do("Page.navigate", url=url)
            await page.happens("Page.lifecycleEvent", name="load", loaderId=shown.get("loaderId"))
            given = await page.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
            dom = await page.do("Runtime.evaluate", expression="document.documentElement.outerHTML")
            picture = await page.do("Page.captureScreenshot", format="png")
            failed = [f"{script}: {given['exceptionDetails']}"] if "exceptionDetails" in given else []
            return Page(
                dom["result"]["value"],
                base64.b64decode(picture["data"]),
                given["result"].get("value"),
                failed + page.complaints(),
            )


class _Protocol:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._events: list[dict[str, Any]] = []

    async def do(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            self._events.append(answer)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    async def whole(self) -> tuple[str, str]:
        """The address and the text of the page, once it is whole; both empty before."""
        script = "document.readyState == 'complete' ? [location.href, document.body.innerText] : ['', '']"
        given = await self.do("Runtime.evaluate", expression=script, returnByValue=True)
        address, text = given["result"].get("value") or ("", "")
        return address, text

    def complaints(self) -> list[str]:
        """What happened so far that should not in a page that is well."""
        found = []
        for event in self._events:
            match event:
                case {"method": "Log.entryAdded", "params": {"entry": {"level": "error" | "warning", "text": text}}}:
                    found.append(text)
                case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                    found.append(str(details))
                case {"method": "Runtime.consoleAPICalled", "params": {"type": "error" | "warning", "args": words}}:
                    found.append(" ".join(str(word.get("value")) for word in words))
                case {"method": "Network.loadingFailed", "params": {"errorText": text}}:
                    found.append(text)
                case {"method": "Network.responseReceived", "params": {"response": {"status": status, "url": url}}}:
                    found += [f"{status} {url}"] if status >= 400 else []
        return found

    async def happens(self, event: str, **parameters: object) -> None:
        """Waits for it, if it has not happened yet."""
        while not any(
            each["method"] == event and parameters.items() <= each["params"].items() for each in self._events
        ):
            self._events.append(await self._socket.receive_json())
