"""The API as a page to read and to try: Swagger UI, from its package, over /openapi.json."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

from shared.web.answers import Answer
from shared.web.assets import Assets
from shared.web.pages import page

# Nothing from elsewhere, and no script or style within the page. (The renderer's pictures are data: in its style sheet.)
POLICY = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_OWN = Path(__file__).parent


def docs_page(slashed: bool) -> Answer:
    """The page. `slashed`: it was asked for with a slash at its path's end, which changes what its links begin with."""
    here, above = ("", "../") if slashed else ("docs/", "")
    links = {_word(file): here + name for file, name in _assets().names.items()}
    text = Template((_OWN / "docs.html").read_text(encoding="utf-8")).substitute(links, openapi=f"{above}openapi.json")
    return page(text, POLICY, {"Cache-Control": "no-cache"})


def docs_file(name: str) -> Answer:
    """What the page loads. Raises Problem not_found."""
    return _assets().answer(name)


@cache
def _assets() -> Assets:
    renderer = files("flask_swagger_ui") / "dist"
    return Assets([renderer / "swagger-ui.css", renderer / "swagger-ui-bundle.js", _OWN / "docs.css", _OWN / "docs.js"])


def _word(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
