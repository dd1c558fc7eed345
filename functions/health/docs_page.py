"""The API as a page to read and to try: Swagger UI, from its package, over /openapi.json."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from shared.web.answers import Answer
from shared.web.pages import page
from shared.web.problems import Problem

# Nothing from elsewhere, and no script or style within the page. (The renderer's pictures are data: in its style sheet.)
POLICY = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_OWN = Path(__file__).parent


def docs_page(slashed: bool) -> Answer:
    """The page. `slashed`: it was asked for with a slash at its path's end, which changes what its links begin with."""
    here, above = ("", "../") if slashed else ("docs/", "")
    links = {_word(file.name): here + name for name, file in _files().items()}
    text = Template((_OWN / "docs.html").read_text(encoding="utf-8")).substitute(links, openapi=f"{above}openapi.json")
    return page(text, POLICY, {"Cache-Control": "no-cache"})


def docs_file(name: str) -> Answer:
    """What the page loads: kept for ever, since its name changes with its content. Raises Problem not_found."""
    found = _files().get(name)
    if found is None:
        raise Problem("not_found", "No page loads this; GET /docs is the page.")
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Answer(200, found.read_text(encoding="utf-8"), _TYPES["." + name.rpartition(".")[2]], kept)


@cache
def _files() -> dict[str, Traversable]:
    """What the page loads, by a name with a digest of the content."""
    renderer = files("flask_swagger_ui") / "dist"
    loaded = [renderer / "swagger-ui.css", renderer / "swagger-ui-bundle.js", _OWN / "docs.css", _OWN / "docs.js"]
    named = {}
    for each in loaded:
        stem, _, kind = each.name.rpartition(".")
        named[f"{stem}-{hashlib.sha256(each.read_bytes()).hexdigest()[:12]}.{kind}"] = each
    return named


def _word(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
