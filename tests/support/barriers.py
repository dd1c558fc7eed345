"""What keeps people out of a page, by axe-core's rules, contrast among them. A page's own policy lets no such script in: open
the browser with `bypass_csp`."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

from tests.tools.axe import axe

# Of a page, one finding a line: how bad, what, and where.
FINDINGS = """async () => (await axe.run()).violations.flatMap((each) =>
  each.nodes.map((node) => `${each.impact}: ${each.help}: ${node.html}`))"""


def barriers(page: Page) -> list[str]:
    """Those that are serious or critical."""
    page.evaluate(_script())
    return [each for each in page.evaluate(FINDINGS) if not each.startswith(("minor:", "moderate:"))]


@cache
def _script() -> str:
    return Path(axe()).read_text(encoding="utf-8")
