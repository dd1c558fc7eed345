"""The soak: its books tell what the clients were not told, and Ctrl-C leaves nothing running."""

import signal
import subprocess
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import psutil

from benchmarks.day import Told
from benchmarks.soak import _books
from benchmarks.stand import Stand
from local.ending import runs
from local.place import CHECKOUT
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Place


def differing(place: Place, told: Told, revenue: str, **by_status: int) -> list[str]:
    """The figures of the books that did not hold."""
    totals: dict[str, Any] = {"total_revenue": float(revenue), "payments_by_status": by_status}
    stand = cast(Stand, SimpleNamespace(place=place, totals=lambda: totals))
    return [figure.name for figure in _books(told, stand) if not figure.held]


def test_books_that_are_as_the_clients_were_told_hold(place: Place) -> None:
    payment = a_payment(place.sql, amount=Decimal("50.00"), status="SUCCESS", refunded_amount=Decimal("10.00"))
    refund = a_refund(place.sql, payment, amount=Decimal("10.00"), status="REFUNDED")
    a_payment(place.sql, status="FAILED")
    told = Told(payments={payment: 5000}, refunds={refund: 1000}, declined=1)
    assert differing(place, told, "40.00", SUCCESS=1, FAILED=1) == []


def test_a_payment_that_nobody_was_told_of_is_found(place: Place) -> None:
    first = a_payment(place.sql, amount=Decimal("50.00"), status="SUCCESS")
    a_payment(place.sql, amount=Decimal("50.00"), status="SUCCESS")
    assert differing(place, Told(payments={first: 5000}), "100.00", SUCCESS=2) == [
        "payments that differ from what was told"
    ]


def test_totals_that_differ_from_the_tables_are_found(place: Place) -> None:
    payment = a_payment(place.sql, amount=Decimal("50.00"), status="SUCCESS")
    assert differing(place, Told(payments={payment: 5000}), "50.01", SUCCESS=2) == [
        "revenue differs by",
        "totals differ by",
    ]


def test_ctrl_c_leaves_nothing_running() -> None:
    soak = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak", "--seconds", "60", "--rate", "5", "--warming", "0.5"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert soak.stdout is not None
        assert any(line.startswith("Peak") for line in soak.stdout)
        started = psutil.Process(soak.pid).children(recursive=True)
        assert len(started) > 15
        soak.send_signal(signal.SIGINT)
        said = soak.stdout.read()
        assert "nothing is left running" in said, said
        assert soak.wait(30) == 1
        assert [process for process in started if runs(process)] == []
    finally:
        soak.kill()
