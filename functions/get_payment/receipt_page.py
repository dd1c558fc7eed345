"""A receipt as a page to read, print or keep."""

import json
from pathlib import Path

from jinja2 import Environment

from shared.reading.payments import Receipt

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    (Path(__file__).parent / "receipt.html").read_text(encoding="utf-8")
)


def html_receipt(receipt: Receipt) -> str:
    """The receipt as a page of HTML that needs nothing else: no script, no font, no picture."""
    payment = json.loads(receipt.payment, parse_float=str)
    return _PAGE.render(receipt=receipt, payment=payment)
