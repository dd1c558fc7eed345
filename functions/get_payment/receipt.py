"""A receipt as JSON."""

from shared.platform import json_text
from shared.reading.payments import Receipt


def json_receipt(receipt: Receipt) -> str:
    """The receipt as JSON text; `payment` in it is the payment as it stands now."""
    return json_text.write(
        {
            "receipt_number": receipt.number,
            "amount": json_text.Written(receipt.amount),
            "currency": receipt.currency,
            "issued_at": receipt.issued_at,
            "payment": json_text.Written(receipt.payment),
        }
    )
