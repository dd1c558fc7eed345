"""What the examples of the document show: one payment of a trip and what became of it."""

from typing import Any

from shared import VERSION

Json = dict[str, Any]

PAYMENT_ID = 351
CORRELATION_ID = "1fad7d03-d1b6-488d-b6da-d84fa361be6a"
KEY = "test-payment-001"

PAYMENT_REQUESTS: Json = {
    "amount": {
        "summary": "An amount that the caller knows",
        "value": {"trip_id": 101, "method": "CARD", "amount": 150.00},
    },
    "present": {
        "summary": "The customer is there, and may be asked to confirm it",
        "value": {"trip_id": 101, "method": "CARD", "amount": 150.00, "customer_present": True},
    },
    "fare": {
        "summary": "The trip's fare, computed and collected once",
        "value": {"trip_id": 101, "method": "UPI", "metadata": {"ride": "home"}},
    },
}
REFUND_REQUESTS: Json = {
    "part": {
        "summary": "A part",
        "value": {"amount": 50.00, "metadata": {"reason": "Customer request"}},
    },
    "all": {"summary": "All that is left", "value": {}},
}
PAYMENT: Json = {
    "payment_id": PAYMENT_ID,
    "trip_id": 101,
    "amount": 150.00,
    "currency": "INR",
    "method": "CARD",
    "status": "SUCCESS",
    "reference": "PAY-20261125-SKRZ4ZFYRRP495QZ",
    "refunded_amount": 0.00,
    "failure_code": None,
    "fare": None,
    "metadata": {},
    "created_at": "2026-11-25T04:30:54.153160Z",
    "updated_at": "2026-11-25T04:30:54.166607Z",
}
FARE_PAYMENT: Json = PAYMENT | {
    "payment_id": 352,
    "amount": 36.50,
    "method": "UPI",
    "reference": "PAY-20261125-QYCS8WCVW6C1GQ04",
    "fare": {"base_fare": 5.00, "distance_km": 10.5, "rate_per_km": 2.50, "surge_multiplier": 1.2, "total": 36.50},
}
PENDING_PAYMENT: Json = PAYMENT | {"status": "PENDING"}
WAITING_PAYMENT: Json = PENDING_PAYMENT | {
    "next_action": {
        "kind": "redirect",
        "expires_at": "2026-11-25T04:40:54.153160Z",
        "url": "https://hooks.stripe.com/redirect/authenticate/src_1Pgc6n",
    }
}
DECLINED_PAYMENT: Json = PAYMENT | {"status": "FAILED", "failure_code": "card_declined"}
REFUND: Json = {
    "refund_id": 1,
    "payment_id": PAYMENT_ID,
    "refund_amount": 50.00,
    "currency": "INR",
    "status": "REFUNDED",
    "reason": "Customer request",
    "reference": "REF-20261125-T6EWC53N3KJT3N4R",
    "failure_code": None,
    "payment_status": "SUCCESS",
    "remaining_amount": 100.00,
    "metadata": {"reason": "Customer request"},
    "created_at": "2026-11-25T04:30:54.348785Z",
    "source": "client",
}
PENDING_REFUND: Json = REFUND | {"status": "PENDING"}
DECLINED_REFUND: Json = REFUND | {"status": "FAILED", "failure_code": "card_declined", "remaining_amount": 150.00}
CURSOR = "MjAyNi0xMS0yNVQwNDozMDo1NC4xNTMxNjArMDA6MDAgMzUx"
PAYMENTS: Json = {"data": [FARE_PAYMENT, PAYMENT], "next_cursor": CURSOR}
REFUNDS: Json = {"data": [REFUND], "next_cursor": None}
EVENTS: Json = {
    "data": [
        {
            "event_id": "PAY-20261125-SKRZ4ZFYRRP495QZ.succeeded",
            "type": "payment.succeeded",
            "time": "2026-11-25T04:30:54.166607Z",
            "actor": "https://kubernetes.default.svc.cluster.local system:serviceaccount:rides:trip-service",
            "correlation_id": CORRELATION_ID,
            "payment_id": PAYMENT_ID,
            "refund_id": None,
            "amount": 150.00,
            "currency": "INR",
            "failure_code": None,
            "reason": None,
            "gateway_said": None,
            "forced": None,
        }
    ],
    "next_cursor": None,
}
DAY = "2026-11-25"
DRIVER_ID = "drv-17"
DRIVERS_CURSOR = "ZHJ2LTE3IElOUg"
_UNMOVED: Json = {"change": 0.00, "balance": 0.00}
BALANCES: Json = {
    "data": [
        {
            "day": DAY,
            "currency": "INR",
            "accounts": {
                "gateway_receivable": {"change": 150.00, "balance": 1250.00},
                "cash_with_drivers": _UNMOVED,
                "bank": _UNMOVED,
                "revenue": {"change": -30.00, "balance": -250.00},
                "refunds": _UNMOVED,
                "disputes": _UNMOVED,
                "fees": _UNMOVED,
                "drivers_payable": {"change": -120.00, "balance": -1000.00},
                "late_payments": _UNMOVED,
            },
            "gateways": [{"gateway": "stripe", "change": 150.00, "balance": 1250.00}],
        }
    ],
    "time_zone": "Asia/Kolkata",
}
_OWED: Json = {"driver_id": DRIVER_ID, "currency": "INR", "earned": 1000.00, "cash_held": 300.00, "owed": 700.00}
DRIVERS: Json = {"data": [_OWED], "next_cursor": DRIVERS_CURSOR}
DRIVER: Json = {"data": [_OWED]}
SIGNATURE = "t=1795580654,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
GATEWAY_EVENTS: Json = {
    "paid": {
        "summary": "A charge was paid",
        "value": {
            "id": "evt_1SXkqD2eZvKYlo2CkQ2dXmUz",
            "object": "event",
            "type": "payment_intent.succeeded",
            "data": {"object": {"id": "pi_3SXkqC2eZvKYlo2C1gFJY2ZP", "object": "payment_intent"}},
        },
    },
    "disputed": {
        "summary": "A bank takes money back",
        "value": {
            "id": "evt_1SXkrK2eZvKYlo2C8dEqBvJa",
            "object": "event",
            "type": "charge.dispute.created",
            "data": {"object": {"id": "du_1SXkrJ2eZvKYlo2CyYcGqA6t", "object": "dispute"}},
        },
    },
}
RECEIPT: Json = {
    "receipt_number": "RCT-0000000351",
    "amount": 150.00,
    "currency": "INR",
    "issued_at": "2026-11-25T04:30:54.166607Z",
    "payment": PAYMENT,
    "lines": [{"kind": "fare", "amount": 150.00}],
    "taxes": [{"name": "CGST", "rate": 2.5, "amount": 3.57}, {"name": "SGST", "rate": 2.5, "amount": 3.57}],
    "seller": ["Rides Ltd", "12 MG Road, Bengaluru 560001"],
    "refunds": [],
    "rider": "Priya Iyer",
    "driver": None,
}
RECEIPT_PAGE = '<!doctype html>\n<html lang="en-IN">\n<title>Receipt RCT-0000000351</title>\n'
RECEIPT_FILE = "%PDF-1.7\n…"
UP: Json = {
    "service": "payment-service",
    "version": VERSION,
    "status": "UP",
    "database_status": "UP",
    "timestamp": "2026-11-25T04:30:53.548Z",
}
DOWN: Json = UP | {"status": "DOWN", "database_status": "DOWN"}
METRICS: Json = {
    "payments_by_status": {"PENDING": 9, "SUCCESS": 317, "FAILED": 26, "REFUNDED": 0},
    "payments_by_method": {"CARD": 89, "UPI": 89, "WALLET": 87, "CASH": 87},
    "average_payment_amount": 799.46,
    "total_revenue": 253379.39,
    "refunds": {"count": 1, "amount": 50.00},
    "disputes": {
        "count": 0,
        "amount": 0.00,
        "by_status": {"INQUIRY": 0, "OPEN": 0, "WON": 0, "LOST": 0, "WITHDRAWN": 0},
    },
    "currency": "INR",
    "other_currencies": {},
    "timestamp": "2026-11-25T04:30:54.419Z",
}
PROMETHEUS = (
    "# HELP payment_total Payments by status.\n# TYPE payment_total gauge\n"
    'payment_total{currency="INR",status="SUCCESS"} 317.0\n'
)
OPENMETRICS = f"{PROMETHEUS}# EOF\n"
