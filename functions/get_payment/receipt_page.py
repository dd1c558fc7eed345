"""A receipt as a page to read, print or keep."""

import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment

from shared.reading.payments import Receipt
from shared.web.answers import Answer
from shared.web.pages import page, styled_by

_TEMPLATE = (Path(__file__).parent / "receipt.html").read_text(encoding="utf-8")
_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_TEMPLATE)
# Of the template, not of what is rendered: no value of a payment may add to it.
_STYLE = styled_by(_TEMPLATE)


def html_receipt(receipt: Receipt, headers: Mapping[str, str]) -> Answer:
    """The receipt as a page that needs nothing else: no script, no font, no picture; and gets nothing else."""
    payment = json.loads(receipt.payment, parse_float=str)
    return page(_PAGE.render(receipt=receipt, payment=payment), _STYLE, headers)
