"""What a receipt says, in words: the page and the PDF show the same."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from shared.platform.settings import Settings
from shared.reading.receipts.lines import fare_lines, included_taxes
from shared.reading.receipts.receipt import Receipt
from shared.reading.words import Words

METHODS = {"CARD": "card", "UPI": "UPI", "WALLET": "wallet", "CASH": "cash"}
MINUS = "\N{MINUS SIGN}"


class Row(NamedTuple):
    """What, and how much of it; `note` says more of it, such as when. `strong`: a sum."""

    label: str
    value: str
    note: str = ""
    strong: bool = False


class Sheet(NamedTuple):
    """One receipt. Every text is plain, and shown as it is. `seller`: lines, the name first. `history`: the oldest first."""

    language: str
    title: str
    seller: tuple[str, ...]
    number: str
    amount: str
    state: str
    about: list[Row]
    fare: list[Row]
    taxes: list[Row]
    history: list[Row]


def sheet_of(receipt: Receipt, settings: Settings) -> Sheet:
    """A receipt in words, money and time as LOCALE and TIME_ZONE say."""
    words = Words(settings)
    return Sheet(
        words.language,
        f"Receipt {receipt.number}",
        settings.receipt_seller,
        receipt.number,
        words.money(receipt.amount, receipt.currency),
        _state(receipt),
        _about(receipt, words),
        _fare(receipt, words),
        _taxes(receipt, settings, words),
        _history(receipt, words),
    )


def _state(receipt: Receipt) -> str:
    payment = receipt.paid
    paid = f"Paid by {METHODS.get(payment['method'], payment['method'])}"
    if payment["status"] == "REFUNDED":
        return f"{paid}, refunded in full"
    return f"{paid}, partly refunded" if receipt.refunded else paid


def _about(receipt: Receipt, words: Words) -> list[Row]:
    payment, names = receipt.paid, receipt.names
    rows = [
        ("Issued", _moment(receipt.issued_at, words)),
        ("Trip", payment["trip_id"]),
        ("Rider", names.rider),
        ("Driver", names.driver),
        ("Payment", payment["payment_id"]),
        ("Reference", payment["reference"]),
    ]
    return [Row(label, str(value)) for label, value in rows if value is not None]


def _fare(receipt: Receipt, words: Words) -> list[Row]:
    fare = receipt.paid["fare"]
    rows = []
    for line in fare_lines(receipt.amount, receipt.currency, fare):
        label, note = _worded(line.kind, fare, receipt.currency, words)
        rows.append(Row(label, words.money(line.amount, receipt.currency), note))
    return [*rows, Row("Total", words.money(receipt.amount, receipt.currency), strong=True)]


def _worded(kind: str, fare: Any, currency: str, words: Words) -> tuple[str, str]:
    """What a line of the fare is called, and how it came about."""
    match kind:
        case "base_fare":
            return "Base fare", ""
        case "distance":
            distance, rate = words.number(fare["distance_km"]), words.money(Decimal(fare["rate_per_km"]), currency)
            return "Distance", f"{distance} km × {rate}"
        case "surge":
            return "Surge", f"× {words.number(fare['surge_multiplier'])}"
        case "rounding":
            return "Rounding", ""
        case _:
            return "Fare", ""


def _taxes(receipt: Receipt, settings: Settings, words: Words) -> list[Row]:
    """Nothing where no taxes are set."""
    taxes, currency = settings.receipt_tax_lines, receipt.currency
    if not taxes:
        return []
    net, amounts = included_taxes(receipt.amount, currency, taxes)
    rows = [
        Row(tax.name, words.money(amount, currency), f"{words.number(tax.rate)} %")
        for tax, amount in zip(taxes, amounts, strict=True)
    ]
    return [Row("Without taxes", words.money(net, currency)), *rows]


def _history(receipt: Receipt, words: Words) -> list[Row]:
    currency = receipt.currency
    rows = [Row("Paid", words.money(receipt.amount, currency), _moment(receipt.issued_at, words))]
    done = [refund for refund in receipt.given_back if refund["status"] == "REFUNDED"]
    earlier = receipt.refunded - sum((refund["refund_amount"] for refund in done), Decimal(0))
    if earlier > 0:
        rows.append(Row("Earlier refunds", f"{MINUS}{words.money(earlier, currency)}", "all before those below"))
    for refund in receipt.given_back:
        label = "Refunded" if refund["status"] == "REFUNDED" else "Refund on its way"
        amount = words.money(refund["refund_amount"], currency)
        rows.append(Row(label, f"{MINUS}{amount}", _moment(refund["updated_at"], words)))
    kept = words.money(receipt.amount - receipt.refunded, currency)
    return [*rows, Row("Paid, less refunds", kept, strong=True)] if len(rows) > 1 else rows


def _moment(text: str, words: Words) -> str:
    return words.moment(datetime.fromisoformat(text))
