"""What keeps people out of a page, by axe-core's rules, contrast among them. A page's own policy lets no such script in: open
the browser with `bypass_csp`."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

from tests.tools.axe import axe

# Of its rules those that look at colours.
COLOURS = ("color-contrast", "link-in-text-block")

# Of a page, one finding a line: how bad, what, and where.
FINDINGS = """async (options) => (await axe.run(options)).violations.flatMap((each) =>
  each.nodes.map((node) => `${each.impact}: ${each.help}: ${node.html}`))"""


def barriers(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Those that are serious or critical; by some `rules` alone, where they are named."""
    page.evaluate(_script())
    options = {"runOnly": list(rules)} if rules else {}
    return [each for each in page.evaluate(FINDINGS, options) if not each.startswith(("minor:", "moderate:"))]


@cache
def _script() -> str:
    return Path(axe()).read_text(encoding="utf-8")
