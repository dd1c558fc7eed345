"""GET /ledger/..., as far as the door: what is asked for, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.platform.database import Database
from tests.sql.rows import a_payment
from tests.support.cluster import Place


@pytest.mark.parametrize(
    ("path", "query", "fields"),
    [
        ("/ledger/balances", "from=2026-11-26&to=2026-11-25", ["from"]),
        ("/ledger/balances", "from=26.11.2026&currency=rupees", ["from", "currency"]),
        ("/ledger/balances", "limit=5", ["limit"]),
        ("/ledger/drivers", "limit=101&cursor=%00", ["limit", "cursor"]),
        ("/ledger/drivers", "from=2026-11-25", ["from"]),
        ("/ledger/drivers/drv-17", "limit=5", ["limit"]),
    ],
)
def test_a_parameter_that_is_unknown_or_wrong_is_named(
    serve: Any, problem: Any, path: str, query: str, fields: list[str]
) -> None:
    refused = problem(serve("get_payment").ask("GET", path, query_string=query), 400, "invalid_request")
    assert [error["field"] for error in refused["errors"]] == fields


@pytest.mark.parametrize("path", ["/ledger/balances", "/ledger/drivers", "/v1/ledger/drivers/drv-17/"])
def test_nothing_is_told_while_the_database_is_down(serve: Any, problem: Any, path: str) -> None:
    problem(serve("get_payment").ask("GET", path), 503, "database_unavailable")


@pytest.mark.parametrize("path", ["/ledger", "/ledger/accounts", "/ledger/drivers/a/b"])
def test_nothing_else_is_below_the_ledger(serve: Any, problem: Any, path: str) -> None:
    problem(serve("get_payment").ask("GET", path), 404, "not_found")


def test_what_was_charged_today_is_in_the_balances_and_owed_to_its_driver(
    serve: Any, place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("get_payment")
    monkeypatch.setattr(served.module, "database", database)
    a_payment(place.sql, driver_id="drv-17", commission="20.00")
    before = datetime.now(UTC).date().isoformat()
    answer = served.ask("GET", "/ledger/balances", query_string="currency=INR")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["time_zone"] == "UTC"
    [day] = answer.json["data"]
    assert before <= day["day"] <= datetime.now(UTC).date().isoformat()
    assert day["accounts"]["drivers_payable"] == {"change": -80, "balance": -80}
    assert b'"balance":100.00' in answer.data.replace(b" ", b"")
    owed = {"driver_id": "drv-17", "currency": "INR", "earned": 80, "cash_held": 0, "owed": 80}
    assert served.ask("GET", "/ledger/drivers/drv-17").json == {"data": [owed]}
    assert served.ask("GET", "/ledger/drivers").json == {"data": [owed], "next_cursor": None}
