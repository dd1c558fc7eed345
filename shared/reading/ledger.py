"""What the ledger says: the balance of each account at the end of a day, and what is owed to drivers (docs/ledger.md)."""

from collections import defaultdict
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shared.platform import json_text
from shared.platform.database import Database, Row
from shared.reading.ledger_queries import Days, DriversPage
from shared.reading.periods import DAY, midnight
from shared.rules.identifiers import driver_id as as_driver_id
from shared.web.problems import Problem

# Each a column of ledger_entries: what is ours, what came in and went out again, what is others'.
ACCOUNTS = (
    "gateway_receivable",
    "cash_with_drivers",
    "bank",
    "revenue",
    "refunds",
    "disputes",
    "fees",
    "drivers_payable",
    "late_payments",
)
NOTHING = Decimal("0.00")


def balances(database: Database, days: Days, time_zone: str) -> str:
    """By how much each account changed on each day, and what it held at the day's end, for each currency, as JSON text; oldest
    day first. Of what is with gateways, each gateway's part too."""
    zone = ZoneInfo(time_zone)
    starts = [midnight(day, zone) for day in (*days.all, days.last + DAY)]
    given = {"starts": starts, "from": starts[0], "to": "infinity", "currency": days.currency}
    booked: dict[str, list[Row]] = defaultdict(list)
    for row in database.run_again("ledger_balances", **given):
        booked[row["currency"]].append(row)
    told = {currency: _days(booked[currency], len(days.all)) for currency in sorted(booked)}
    return json_text.write(
        {
            "data": [
                {"day": day.isoformat(), "currency": currency, **of_days[place]}
                for place, day in enumerate(days.all)
                for currency, of_days in told.items()
            ],
            "time_zone": time_zone,
        }
    )


def _days(rows: list[Row], number: int) -> list[dict[str, Any]]:
    """What is told of each day in one currency's rows of ledger_balances."""
    accounts = {account: _account(rows, account, number) for account in ACCOUNTS}
    gateways = {
        gateway: _account([row for row in rows if row["gateway"] == gateway], "gateway_receivable", number)
        for gateway in sorted({row["gateway"] for row in rows if row["gateway_receivable"]}, key=str)
    }
    return [
        {
            "accounts": {account: of_days[place] for account, of_days in accounts.items()},
            "gateways": [{"gateway": gateway, **of_days[place]} for gateway, of_days in gateways.items()],
        }
        for place in range(number)
    ]


def _account(rows: list[Row], account: str, number: int) -> list[dict[str, Decimal]]:
    """Change and balance of an account on each of so many days: from what is there now, back."""
    changes: dict[int | None, Decimal] = defaultdict(lambda: NOTHING)
    for row in rows:
        changes[row["place"]] += row[account]
    balance = changes[None] - changes[number + 1]
    told = []
    for place in range(number, 0, -1):
        told.append({"change": changes[place], "balance": balance})
        balance -= changes[place]
    return told[::-1]


def drivers(database: Database, page: DriversPage) -> str:
    """A page of what is owed to drivers, by driver and currency, as the JSON text of the list envelope."""
    rows = database.run_again(
        "ledger_drivers", after=page.after, after_currency=page.after_currency, limit=page.limit + 1
    )
    shown = rows[: page.limit]
    cursor = page.cursor_behind(shown[-1]) if len(rows) > page.limit else None
    return json_text.write({"data": shown, "next_cursor": cursor})


def driver(database: Database, driver_id: str) -> str:
    """What is owed to one driver, by currency, as JSON text: nothing of one for whom nothing is booked. Raises Problem
    not_found for what is no id of a driver, and DatabaseUnavailable."""
    if as_driver_id(driver_id) is None:
        raise Problem("not_found", "A driver's id is 1 to 64 of A-Z, a-z, 0-9, '.', '_', ':' and '-'.")
    return json_text.write({"data": database.run_again("ledger_driver", driver_id=driver_id)})
