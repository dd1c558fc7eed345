"""The rows of history: the same bytes each time, and of the shape that the service promises."""

import csv
import re
from collections import Counter
from decimal import Decimal

from seed import make


def test_the_file_is_what_the_script_makes() -> None:
    assert make.CSV.read_text(encoding="ascii") == make.text() == make.text()


def test_rows_have_the_promised_shape() -> None:
    with make.CSV.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == make.COLUMNS
    assert [int(row["payment_id"]) for row in rows] == list(range(1, 351))
    assert [int(row["trip_id"]) for row in rows] == list(range(1, 351))
    assert all(Decimal(row["amount"]) > 0 and re.fullmatch(r"[0-9]+\.[0-9]{2}", row["amount"]) for row in rows)
    assert sorted(Counter(row["method"] for row in rows).values()) == [87, 87, 88, 88]
    statuses = Counter(row["status"] for row in rows)
    assert set(statuses) == {"SUCCESS", "FAILED", "PENDING"}
    assert statuses["SUCCESS"] > 175
    assert len({row["reference"] for row in rows}) == 350
    assert all(re.fullmatch(r"RHP[0-9]+", row["reference"]) for row in rows)
    moments = [row["created_at"] for row in rows]
    assert moments == sorted(moments)
    assert "2024-11-01" <= moments[0] < "2024-12" < "2026-10" < moments[-1] < "2026-11-01"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment) for moment in moments)
