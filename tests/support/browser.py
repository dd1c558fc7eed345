"""A headless Chromium, driven by Playwright, that notes whatever a page that is well would not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.sync_api import Error, Page, Request, Response, expect, sync_playwright

WIDTH, HEIGHT = 800, 1000
# Seconds. A page is shown, and whatever is waited for in it is there, by then.
PATIENCE = 30.0
expect.set_options(timeout=PATIENCE * 1000)
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


class DoesNotWork(Exception):
    """The browser did not start, or did not show a page in time."""


@dataclass(frozen=True)
class Shown:
    """What a page has become: its elements as text, and a picture of it as PNG; what a script in it gave; and of what the
    browser complained meanwhile: an error, a refusal by the page's policy, a request that failed."""

    dom: str
    picture: bytes
    given: Any
    complaints: list[str]


@dataclass
class Tab:
    """A window of its own, with cookies of its own. `complaints` as in Shown; `asked` is every address that it loaded from."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", self._note)
        self.page.on("requestfailed", self._lament)
        self.page.on("response", self._judge)

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _note(self, request: Request) -> None:
        if not request.url.startswith(("data:", "about:")):
            self.asked.append(request.url)

    def _lament(self, request: Request) -> None:
        if (
            request.failure != "net::ERR_ABORTED"
        ):  # whoever goes on to another page no longer waits for what this one asked
            self._complain(f"{request.failure} {request.url}")

    def _judge(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.status} {response.url}")


class Browser:
    """Runs `program`, in a profile of its own. One at a time in a thread, which runs no event loop meanwhile."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=self.program, args=SWITCHES, timeout=PATIENCE * 1000
            )
        except Error as reason:
            self._playwright.stop()
            raise DoesNotWork(f"{self.program} does not start: {' '.join(str(reason).split())[:300]}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    @contextmanager
    def open(self, **options: Any) -> Iterator[Tab]:
        """A tab, with what Playwright's new_context takes: viewport, color_scheme, java_script_enabled and so on."""
        with self._browser.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}, **options}) as context:
            context.set_default_timeout(PATIENCE * 1000)
            yield Tab(context.new_page())

    def look(self, url: str, script: str = "undefined", width: int = WIDTH, height: int = HEIGHT) -> Shown:
        """Opens a page in a window of this size, and runs a script in it: an expression whose promise, if it is one, is
        awaited."""
        with self.open(viewport={"width": width, "height": height}) as tab:
            try:
                tab.page.goto(url)
                given = tab.page.evaluate(script)
                return Shown(tab.page.content(), tab.page.screenshot(), given, tab.complaints)
            except Error as reason:
                raise DoesNotWork(f"{url} is not shown: {' '.join(str(reason).split())[:300]}") from None
