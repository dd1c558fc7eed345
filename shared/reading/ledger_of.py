"""What the journal has of a payment, for whoever does the accounts."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from shared.platform.database import Database
from shared.reading.ledger import ACCOUNTS

# As many as a person reads, the newest.
MOST = 50


class Entry(NamedTuple):
    """One entry: what moved, and by how much the accounts that it touches changed. What is `debit` and what is `credit`, both
    above zero, have the same sum."""

    at: datetime
    movement: str
    currency: str
    debit: dict[str, Decimal]
    credit: dict[str, Decimal]


def ledger_of(database: Database, payment_id: int) -> list[Entry]:
    """The entries of a payment, newest first. Raises DatabaseUnavailable."""
    return [
        Entry(
            at=row["at"],
            movement=row["movement"],
            currency=row["currency"],
            debit={account: row[account] for account in ACCOUNTS if row[account] > 0},
            credit={account: -row[account] for account in ACCOUNTS if row[account] < 0},
        )
        for row in database.run_again("ledger_of", payment_id=payment_id, limit=MOST)
    ]
