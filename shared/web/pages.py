"""Pages for people: HTML that a browser is told to distrust."""

import base64
import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType

from shared.web.answers import Answer

HTML = "text/html; charset=utf-8"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def page(
    html: str, policy: str, headers: Mapping[str, str] = NO_HEADERS, *, status: int = 200, sends_forms: bool = False
) -> Answer:
    """A page as an answer. The browser does only what `policy` names (directives of a Content-Security-Policy), whatever is in
    the text; no other page may frame it, and no address of ours goes to where a link leads. `sends_forms`: to ourselves, and
    says where they come from."""
    forms, referrer = ("'self'", "same-origin") if sends_forms else ("'none'", "no-referrer")
    strict = f"default-src 'none'; {policy}; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    told = {"Content-Security-Policy": strict, "Referrer-Policy": referrer}
    return Answer(status, html, HTML, {**headers, **told})


def styled_by(html: str) -> str:
    """The directive that lets in the style sheet which stands in a page's own <style>, and no other."""
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"style-src 'sha256-{digest}'"
