"""A receipt as a page to read, print or keep."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment

from shared.platform.settings import Settings
from shared.reading.receipts.receipt import Receipt
from shared.reading.receipts.sheet import sheet_of
from shared.web.answers import Answer
from shared.web.pages import page, styled_by

_TEMPLATE = (Path(__file__).parent / "receipt.html").read_text(encoding="utf-8")
_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_TEMPLATE)
# Of the template, not of what is rendered: no value of a payment may add to it.
_STYLE = styled_by(_TEMPLATE)


def html_receipt(receipt: Receipt, settings: Settings, headers: Mapping[str, str]) -> Answer:
    """The receipt as a page that needs nothing else: no script, no font, no picture; and gets nothing else. Printed, it is one
    page of A4."""
    return page(_PAGE.render(sheet=sheet_of(receipt, settings)), _STYLE, headers)
