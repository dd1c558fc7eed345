"""`make reconcile`: what it says, writes and ends with."""

import csv
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.place import CHECKOUT
from shared.reconciling.slices import MOST
from tests.shared.reconciling.conftest import Books


@pytest.fixture
def environment(books: Books) -> dict[str, str]:
    like = {"STRIPE_API_KEY": "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "STRIPE_API_BASE": books.like.url}
    return {"PATH": os.environ["PATH"], "TIME_ZONE": "Asia/Kolkata", **books.place.environment, **like}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "movements.csv"


def command(environment: dict[str, str], *words: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "shared.reconciling.command", *words]
    return subprocess.Popen(
        program, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def window(books: Books) -> tuple[str, str]:
    begins, ends = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in books.window[:2])
    return f"--from={begins}", f"--to={ends}"


def test_it_says_what_differs_writes_every_movement_and_ends_with_1(
    books: Books, environment: dict[str, str], file: Path, window: tuple[str, str]
) -> None:
    books.pay()
    books.till.pay(method="CASH", trip_id=7, amount="80.00")
    books.like.books.charge_elsewhere(4200)
    books.like.books.take_fee(700)
    status, said, wrong = ended(command(environment, *window, f"--out={file}"))
    assert (status, wrong) == (1, "")
    for line in ("3 movements, 1 of them differ", "missing here: charge", "80.00 INR", "16.80 INR", str(file)):
        assert line in said
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert sorted((row["kind"], row["verdict"]) for row in rows) == [
        ("charge", "matched"),
        ("charge", "missing_here"),
        ("fee", "matched"),
    ]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_who_is_killed_in_the_middle_is_gone_on_after_and_where_nothing_differs_it_ends_with_0(
    books: Books, environment: dict[str, str], file: Path, window: tuple[str, str]
) -> None:
    for _ in range(101):
        books.like.books.charge_elsewhere(100)
    books.like.control({"slow": 1, "slow_seconds": 0.3})
    killed = command(environment, *window, f"--out={file}")
    while not books.place.sql.value("SELECT count(*) FROM reconciled_movements"):
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    ended(killed)
    books.like.control({"calm": True})
    assert books.place.sql.value("SELECT count(*) FROM reconciled_movements") == 100
    assert not file.exists()
    read = len(books.like.requests)
    books.place.sql.run("UPDATE reconciliations SET working_until = working_until - interval '1 minute'")
    assert ended(command(environment, *window, f"--out={file}"))[0] == 1
    assert len(books.like.requests) <= read + MOST + 1, "the rest of the second of the first page, and what is before"
    assert books.place.sql.value("SELECT movements FROM reconciliations WHERE run = 1") == 101


def test_without_a_gateway_that_keeps_books_it_says_so_and_sums_up_the_cash(
    books: Books, environment: dict[str, str]
) -> None:
    books.till.pay(method="CASH", amount="80.00")
    del environment["STRIPE_API_KEY"]
    a_moment_ago = datetime.now(UTC) - timedelta(seconds=1)  # cash is of the whole day
    status, said, wrong = ended(command(environment, f"--from={a_moment_ago.isoformat()}"))
    assert (status, wrong) == (0, "")
    assert "no gateway that is set keeps books" in said
    assert "80.00 INR" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from=yesterday"], "FROM must be a day"),
        (["--from=2026-11-02", "--to=2026-11-01"], "FROM must be before TO"),
        (["--from=2999-11-02T12:00:00Z"], "FROM is still to come"),
        (["--from=2026-11-01", "--to=2026-11-01", "--out=/nowhere/at/all.csv"], "the file cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_ends_with_2(
    environment: dict[str, str], words: list[str], says: str
) -> None:
    status, said, wrong = ended(command(environment, *words))
    assert (status, said, wrong.count("\n")) == (2, "", 1)
    assert says in wrong


def test_a_wrong_setting_is_no_difference(environment: dict[str, str]) -> None:
    status, said, wrong = ended(command(environment | {"GATEWAY": "none"}))
    assert (status, said, wrong.count("\n")) == (2, "", 1)
    assert "GATEWAY" in wrong


def test_make_passes_on_what_is_typed(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'import sys; print(sys.argv[1:])' \"$@\"\n")
    python.chmod(0o755)
    make = ["make", "--silent", "--old-file=venv", f"BIN={tmp_path}", "reconcile"]

    def passed_on(*words: str) -> str:
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run([*make, *words], cwd=CHECKOUT, env=environment, capture_output=True, text=True).stdout

    program = ["-m", "local.database", "shared.reconciling.command"]
    assert passed_on() == f"{program}\n"
    typed = ["--from=2026-11-01", "--to=2026-11-02", "--out=$(id) it's.csv"]
    assert passed_on("FROM=2026-11-01", "TO=2026-11-02", "OUT=$(id) it's.csv") == f"{[*program, *typed]}\n"
