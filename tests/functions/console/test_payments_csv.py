"""The CSV of what is filtered: read back it is the rows, never cut short in silence, and a spreadsheet runs nothing in it."""

import csv
import http.client
import io
import re
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest

from functions.console import payments_csv
from shared.platform.database import DatabaseUnavailable
from shared.web.answers import Answer
from tests.functions.console.conftest import Visitor
from tests.functions.console.test_payments import ROWS, address
from tests.sql.rows import a_payment, move
from tests.support.cluster import Place
from tests.support.functions import AsInTheImage, Functions
from tests.support.settings import ENVIRONMENT


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments_csv, "AT_ONCE", 50)


def ask(visitor: Visitor, *parameters: tuple[str, str]) -> Answer:
    return visitor.ask_for(address(*parameters).replace("/payments", "/payments.csv", 1))


def text_of(answer: Answer) -> str:
    assert not isinstance(answer.body, str)
    return b"".join(answer.body).decode()


def rows_of(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(answer), newline=""), strict=True))


def written(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table as the file has it."""
    times = {name: row[name].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name in ("created_at", "updated_at")}
    row = row | times | {"refund_pending_amount": row["reserved_amount"]}
    return {name: "" if row[name] is None else str(row[name]) for name in payments_csv.COLUMNS}


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ([], "true"),
        ([("status", "FAILED"), ("status", "PENDING")], "status IN ('FAILED', 'PENDING')"),
        ([("method", "UPI"), ("amount_from", "200")], "method = 'UPI' AND amount >= 200"),
        ([("gateway", "none"), ("from", "2024-11-22")], "gateway IS NULL AND created_at >= '2024-11-22Z'"),
        ([("q", "trip 7")], "trip_id = 7"),
        ([("q", "PAY-20261122-17")], "payment_id = 17"),
        ([("q", "pi_nobody")], "false"),
    ],
    ids=str,
)
def test_read_back_it_is_the_rows(visitor: Visitor, place: Place, asked: list[tuple[str, str]], condition: str) -> None:
    place.sql.run(ROWS)
    move(place.sql, "payments", {"payment_id": 19}, {"refunded_amount": 30, "reserved_amount": 12})
    rows = place.sql.run(f"SELECT * FROM payments WHERE {condition} ORDER BY created_at DESC, payment_id DESC")
    assert rows_of(ask(visitor, *asked)) == [written(row) for row in rows]


def test_a_file_is_as_rfc_4180_has_it_and_its_name_tells_what_is_in_it(visitor: Visitor, place: Place) -> None:
    a_payment(place.sql, created_at="2024-11-22T12:00Z", amount="1234567.50")
    answer = ask(visitor, ("status", "SUCCESS"), ("method", "CARD"), ("from", "2024-11-21"), ("to", "2024-11-22"))
    text = text_of(answer)
    assert text.split("\r\n")[0] == ",".join(payments_csv.COLUMNS)
    assert text.endswith("\r\n")
    assert ",1234567.50,0.00,0.00,INR," in text
    assert "2024-11-22T12:00:00.000000Z" in text
    assert answer.content_type == "text/csv; charset=utf-8"
    name = r'attachment; filename="payments-success-card-from-2024-11-21-to-2024-11-22-as-of-\d{8}T\d{6}Z\.csv"'
    assert re.fullmatch(name, answer.headers["Content-Disposition"])
    assert "payments-trip-7-as-of-" in ask(visitor, ("q", "trip 7")).headers["Content-Disposition"]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_harmless(visitor: Visitor, place: Place, begins: str) -> None:
    a_payment(place.sql, gateway_id=f'{begins}HYPERLINK("x","y")')
    [row] = rows_of(ask(visitor))
    assert row["gateway_id"] == f'\'{begins}HYPERLINK("x","y")'


def test_more_than_a_file_holds_is_refused_beforehand_with_the_form(
    visitor: Visitor, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.sql.run(ROWS)
    monkeypatch.setattr(payments_csv, "MOST_IN_CSV", 239)
    for asked in ([], [("amount_from", "99999")]):
        page = ask(visitor, *asked)
        assert page.status == 400
        assert "leaves more than 239 payments" in str(page.body)
        assert 'aria-describedby="from-fault"' in str(page.body)
    assert len(rows_of(ask(visitor, ("from", "2024-11-22")))) > 100
    assert len(rows_of(ask(visitor, ("q", "trip 7")))) == 27
    monkeypatch.setattr(payments_csv, "MOST_IN_CSV", 240)
    assert len(rows_of(ask(visitor))) == 240


def test_wrong_filters_are_told_on_the_form(visitor: Visitor) -> None:
    page = ask(visitor, ("amount_from", "x"))
    assert (page.status, page.content_type) == (400, "text/html; charset=utf-8")


def test_payments_that_come_meanwhile_are_not_in_it(visitor: Visitor, place: Place) -> None:
    place.sql.run(ROWS)
    answer = ask(visitor)
    assert not isinstance(answer.body, str)
    parts = iter(answer.body)
    head = next(parts) + next(parts)
    for _ in range(3):
        a_payment(place.sql)
    assert (head + b"".join(parts)).count(b"\r\n") == 241


HELD = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""


def test_between_two_pages_no_connection_is_held_and_memory_has_one_page(visitor: Visitor, place: Place) -> None:
    place.sql.run(ROWS)
    answer = ask(visitor)
    assert not isinstance(answer.body, str)
    sizes = []
    for part in answer.body:
        sizes.append(len(part))
        assert place.sql.value(HELD) == 0
    assert len(sizes) == 6
    assert max(sizes) < 12_000


def test_a_database_that_does_not_answer_is_no_half_file(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(visitor.till.database, "run_again", gone)
    with pytest.raises(DatabaseUnavailable):
        ask(visitor)


@pytest.fixture
def as_in_the_image(place: Place) -> Iterator[Functions]:
    with AsInTheImage(["console"], ENVIRONMENT | place.environment) as functions:
        yield functions


# No driver reads it, so that the page that has it fails: the last.
UNREADABLE = "UPDATE payments SET created_at = '0044-03-15 12:00Z BC' WHERE payment_id = 1"


def test_what_fails_in_the_middle_is_cut_off_and_logged(place: Place, as_in_the_image: Functions) -> None:
    place.sql.run(ROWS.replace("240", "1240"))
    place.sql.run(UNREADABLE)
    connection = http.client.HTTPConnection("127.0.0.1", as_in_the_image.ports["console"], timeout=10)
    connection.request("GET", "/console/payments.csv")
    answer = connection.getresponse()
    assert answer.status == 200, as_in_the_image.log("console")
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    assert cut.value.partial.count(b"\r\n") == 1001
    connection.close()
    assert '"answer cut off"' in as_in_the_image.log("console")
    assert f'"{answer.headers["X-Correlation-ID"]}", "function": "console", "message": "answer cut off"' in (
        as_in_the_image.log("console")
    )
