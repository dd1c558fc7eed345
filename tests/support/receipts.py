"""Receipts of the tests, as the database gives them."""

import json
from decimal import Decimal
from typing import Any

from shared.platform.settings import Settings
from shared.reading.receipts.receipt import Names, Receipt

SETTINGS = Settings.read({"TIME_ZONE": "Asia/Kolkata"})
SELLING = Settings.read(
    {
        "TIME_ZONE": "Asia/Kolkata",
        "RECEIPT_SELLER": "Namma Rides Private Limited\\n12 MG Road, Bengaluru 560001\\nGSTIN 29ABCDE1234F1Z5",
        "RECEIPT_TAX_LINES": '[{"name": "CGST", "rate": "2.5"}, {"name": "SGST", "rate": "2.5"}]',
    }
)
# As much as the settings and a trip may say.
FULL = Settings.read(
    {
        "RECEIPT_SELLER": "\\n".join(["Wm Rides " * 8] * 6),
        "RECEIPT_TAX_LINES": json.dumps([{"name": f"{n} {'Wide tax ' * 4}", "rate": "2.5"} for n in range(6)]),
    }
)
PAYMENT = {
    "payment_id": 351,
    "trip_id": 101,
    "amount": 36.5,
    "currency": "INR",
    "method": "CARD",
    "status": "SUCCESS",
    "reference": "PAY-20261122-7QH4V0ZK3MDX9T2C",
    "refunded_amount": 0.0,
    "failure_code": None,
    "fare": {"base_fare": 5.0, "distance_km": 10.5, "rate_per_km": 2.5, "surge_multiplier": 1.2, "total": 36.5},
    "metadata": {},
    "created_at": "2026-11-22T12:00:00.000000Z",
    "updated_at": "2026-11-22T12:00:00.000000Z",
}


NOBODY = Names()


def receipt(*refunds: str, names: Names = NOBODY, **changes: Any) -> Receipt:
    """Of a payment that is as above but for the changes. `refunds`: amounts that were given back, the newest first."""
    rows = [
        {
            "refund_id": number,
            "refund_amount": float(amount),
            "status": "REFUNDED",
            "reference": f"REF-20261122-{number:016}",
            "created_at": f"2026-11-22T13:{number:02}:00.000000Z",
            "updated_at": f"2026-11-22T13:{number:02}:01.000000Z",
        }
        for number, amount in zip(range(len(refunds), 0, -1), refunds, strict=True)
    ]
    payment = PAYMENT | {"refunded_amount": float(sum(map(Decimal, refunds)))} | changes
    amount = Decimal(str(payment["amount"])).quantize(Decimal("0.01"))
    shown = tuple(map(json.dumps, rows))
    return Receipt(
        "RCT-0000000351",
        amount,
        str(payment["currency"]),
        str(payment["created_at"]),
        json.dumps(payment),
        shown,
        names,
    )
