"""What a receipt is made of, as the books and the neighbours have it."""

import json
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from shared.platform.database import Database
from shared.platform.settings import Settings
from shared.reading.payments import payment
from shared.web.problems import Problem
from shared.web.tracing import Trace

# As many as one page has room for; those before are summed up.
MOST_REFUNDS = 5


class Names(NamedTuple):
    """Who rode and who drove; None where nobody says."""

    rider: str | None = None
    driver: str | None = None


class _Receipt(NamedTuple):
    number: str
    amount: Decimal
    currency: str
    issued_at: str
    payment: str
    refunds: tuple[str, ...] = ()
    names: Names = Names()


class Receipt(_Receipt):
    """What a receipt says: the payment was charged with `amount` at `issued_at` (UTC, RFC 3339). `payment` is its JSON text as
    it stands now, `refunds` those of its newest refunds that were given back or are on their way, newest first."""

    @cached_property
    def paid(self) -> Any:
        """The payment, its numbers as exact decimals."""
        return json.loads(self.payment, parse_float=Decimal)

    @cached_property
    def given_back(self) -> list[Any]:
        """The refunds, the oldest first."""
        return [json.loads(refund, parse_float=Decimal) for refund in reversed(self.refunds)]

    @property
    def refunded(self) -> Decimal:
        return Decimal(self.paid["refunded_amount"])


def read_receipt(database: Database, settings: Settings, payment_id: int, trace: Trace) -> Receipt:
    """The receipt of a payment, with the names of rider and driver where a service is set that knows them. No connection to
    the database is held while they are asked for, a second at most. Raises Problem receipt_not_found for a payment that was
    not charged, or payment_not_found."""
    row = database.one("receipt", payment_id=payment_id, most_refunds=MOST_REFUNDS)
    if row is None:
        payment(database, payment_id)
        raise Problem("receipt_not_found", f"Payment {payment_id} was not charged.")
    receipt = Receipt(
        row["receipt_number"],
        row["amount"],
        row["currency"],
        row["issued_at"],
        row["payment"],
        tuple(row["refunds"]),
    )
    if not (settings.rider_service_url or settings.driver_service_url):
        return receipt
    from shared.reading.receipts.names import read_names  # speaks HTTP, which most do without

    return receipt._replace(names=read_names(settings, receipt.paid["trip_id"], trace))
