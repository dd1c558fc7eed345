"""A receipt as JSON."""

from decimal import Decimal
from typing import Any

from shared.platform import json_text
from shared.platform.settings import Settings
from shared.reading.receipts.lines import fare_lines, included_taxes
from shared.reading.receipts.receipt import Receipt


def json_receipt(receipt: Receipt, settings: Settings) -> str:
    """The receipt as JSON text; `payment` in it is the payment as it stands now."""
    taxes = settings.receipt_tax_lines
    amounts = included_taxes(receipt.amount, receipt.currency, taxes).amounts
    lines = fare_lines(receipt.amount, receipt.currency, receipt.paid["fare"])
    shown: dict[str, Any] = {
        "receipt_number": receipt.number,
        "amount": receipt.amount,
        "currency": receipt.currency,
        "issued_at": receipt.issued_at,
        "payment": json_text.Written(receipt.payment),
        "lines": [{"kind": line.kind, "amount": line.amount} for line in lines],
        "taxes": [
            {"name": tax.name, "rate": Decimal(tax.rate), "amount": amount}
            for tax, amount in zip(taxes, amounts, strict=True)
        ],
        "seller": list(settings.receipt_seller),
        "refunds": [json_text.Written(refund) for refund in receipt.refunds],
        "rider": receipt.names.rider,
        "driver": receipt.names.driver,
    }
    return json_text.write(shown)
