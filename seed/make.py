"""Makes the rows of the seed: `python -m seed.make`. The same bytes each time, on every machine."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

CSV = Path(__file__).with_name("rhfd_payments.csv")
COLUMNS = ("payment_id", "trip_id", "amount", "method", "status", "reference", "created_at")
ROWS = 350
FIRST = datetime(2024, 11, 1, tzinfo=UTC)
LAST = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
METHODS = ("CARD", "UPI", "WALLET", "CASH")
# Out of a hundred: what a quiet service of this kind sees.
STATUSES = ("SUCCESS",) * 88 + ("FAILED",) * 8 + ("PENDING",) * 4


def rows() -> list[tuple[int, int, str, str, str, str, str]]:
    """350 payments in order of id and of time: trips 1 to 350, amounts in the service's currency."""
    # Only `random()` of a seeded generator is promised to stay the same from one Python to the next.
    chance = random.Random(350).random  # noqa: S311 - made-up history, not a secret
    span = int((LAST - FIRST).total_seconds())
    moments = sorted(int(chance() * span) for _ in range(ROWS))
    methods = [METHODS[place % 4] for _, place in sorted((chance(), place) for place in range(ROWS))]
    made = []
    for number, moment in enumerate(moments, start=1):
        paise = 5000 + int(chance() * 145000)
        status = STATUSES[int(chance() * len(STATUSES))]
        reference = f"RHP{100000 + number * 2003 + int(chance() * 2003)}"
        created_at = (FIRST + timedelta(seconds=moment)).strftime("%Y-%m-%dT%H:%M:%SZ")
        amount = f"{paise // 100}.{paise % 100:02d}"
        made.append((number, number, amount, methods[number - 1], status, reference, created_at))
    return made


def text() -> str:
    """The whole file, with a line of column names."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows())
    return written.getvalue()


if __name__ == "__main__":
    CSV.write_text(text(), encoding="ascii")
