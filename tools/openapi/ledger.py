"""The operations on the ledger: all of them read."""

from typing import Any

from tools.openapi import examples
from tools.openapi.answers import MONEY, answer, for_whom, json_of
from tools.openapi.headers import LIMITED
from tools.openapi.parameters import CURRENCY, DRIVER_ID, DRIVERS_CURSOR, FIRST_DAY, LAST_DAY, LIMIT, OF_ANY
from tools.openapi.problems import problems

Json = dict[str, Any]


def paths() -> Json:
    """What clients read of the ledger, by path and method."""
    return {
        "/ledger/balances": {
            "get": _reading(
                "get_balances",
                "The balance of each account, by day",
                "Of each day, oldest first, and each currency: by how much each account changed, and what it held at the end of"
                " the day. Days are those of the settlement's time zone.",
                "/ledger/balances",
                [FIRST_DAY, LAST_DAY, CURRENCY],
                ("Balances", {"day": examples.BALANCES}),
            )
        },
        "/ledger/drivers": {
            "get": _reading(
                "list_drivers",
                "What is owed to drivers",
                "By driver and currency, page by page. Paying it out is not this service's.",
                "/ledger/drivers",
                [LIMIT, DRIVERS_CURSOR],
                ("OwedList", {"page": examples.DRIVERS}),
            )
        },
        "/ledger/drivers/{driver_id}": {
            "parameters": [DRIVER_ID],
            "get": _reading(
                "get_driver",
                "What is owed to one driver",
                "By currency; nothing of a driver for whom nothing is booked.",
                "/ledger/drivers/{driver_id}",
                [],
                ("OwedToDriver", {"driver": examples.DRIVER}),
                "not_found",
            ),
        },
    }


def _reading(
    name: str, summary: str, description: str, path: str, parameters: list[Json], page: tuple[str, Json], *codes: str
) -> Json:
    return {
        "operationId": name,
        "tags": ["ledger"],
        "summary": summary,
        "description": f"{description} Wants `payments:read`.",
        **for_whom("payments:read"),
        "parameters": [*parameters, *OF_ANY],
        "responses": {
            "200": answer("Found.", json_of(*page), MONEY, LIMITED),
            **problems(path, *codes, "database_unavailable", limited=True, permission="payments:read"),
        },
    }
