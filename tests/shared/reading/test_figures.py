"""The figures of a period, against the rows that they are about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from shared.gateways.protocol import Declined
from shared.reading.figures import MOST_EXAMINED, Figures, Happened, read_figures
from shared.reading.periods import Period
from tests.sql.rows import a_dispute, a_payment, move
from tests.support.cluster import Place
from tests.support.till import Till, WatchedDatabase, shown

DECLINED = """
INSERT INTO payments (trip_id, amount, currency, method, status, failure_code, reference, created_at)
SELECT 1, 1, 'INR', (ARRAY['CARD', 'UPI'])[1 + n % 2], 'FAILED', CASE WHEN n > 1000 THEN 'new' ELSE 'old' END, 'PAY-' || n,
       now() - interval '1 h' + interval '1 ms' * n
  FROM generate_series(1, 2000) AS n
"""
Read = Callable[..., Figures]


@pytest.fixture
def read(database: WatchedDatabase) -> Read:
    """The figures of yesterday, today and tomorrow, which no midnight parts; or of those days of long ago."""

    def read(days: int = 0) -> Figures:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        starts = (today + timedelta(days=days + n) for n in (-1, 0, 1, 2))
        return read_figures(database, Period("month", ZoneInfo("UTC"), tuple(starts)), "INR")

    return read


def test_what_is_charged_declined_and_refunded_is_in_the_figures(till: Till, place: Place, read: Read) -> None:
    payment_ids = [int(shown(till.pay())["payment_id"]) for _ in range(3)]
    till.pay(method="CASH")
    till.gateway.next(Declined("card_declined"))
    till.pay()
    till.refund(payment_ids[0])
    till.refund(payment_ids[1], "0.50")
    for _ in range(2):
        figures = read()
        assert figures.whole == Happened(5, 4, 1, 2, Decimal("150.50"), Decimal("449.50"))
        assert sum(each.made for each in figures.columns) == 5
        assert figures.whole.success_rate == 0.8
        assert figures.declines == [("card_declined", 1)]
        assert figures.times
        assert figures.times.payments == 4
        assert 0 < figures.times.half <= figures.times.nearly_all < 10
        assert (figures.pending_count, figures.since, figures.is_partial) == (0, None, False)
        place.sql.run("SELECT fold_totals()")


def test_disputes_are_counted_when_they_are_heard_of_and_what_they_take_when_they_take_it(
    place: Place, read: Read
) -> None:
    payment_id = a_payment(place.sql)
    lost = a_dispute(place.sql, payment_id, amount="40.00")
    a_dispute(place.sql, payment_id, amount="7.00", status="INQUIRY")
    for _ in range(2):
        assert read().whole == Happened(1, 1, 0, 0, Decimal(0), Decimal("60.00"), 2, Decimal("40.00"))
        place.sql.run("SELECT fold_totals()")
    move(place.sql, "payment_disputes", {"dispute_id": lost}, {"status": "LOST", "closed_at": "now"})
    assert read().whole.revenue == 60
    move(place.sql, "payment_disputes", {"dispute_id": lost}, {"status": "WON"})
    assert read().whole == Happened(1, 1, 0, 0, Decimal(0), Decimal("100.00"), 2, Decimal(0))


def test_what_comes_back_in_a_later_period_is_revenue_of_that_one(place: Place, read: Read) -> None:
    won = a_dispute(place.sql, a_payment(place.sql), amount="40.00")
    place.sql.run("SELECT fold_totals(); UPDATE figures_by_quarter SET quarter = quarter - interval '400 days'")
    move(place.sql, "payment_disputes", {"dispute_id": won}, {"status": "WON", "closed_at": "now"})
    assert (read(-400).whole.revenue, read(-400).whole.disputed) == (60, 40)
    assert read().whole == Happened(revenue=Decimal("40.00"), disputed=Decimal("-40.00"))
    assert not read().whole.is_nothing


def test_of_a_period_without_a_payment_there_is_nothing(place: Place, read: Read) -> None:
    a_payment(place.sql)
    figures = read(-400)
    assert figures.whole.is_nothing
    assert all(each.is_nothing for each in figures.columns)
    assert (figures.whole.success_rate, figures.declines, figures.times) == (None, [], None)


def test_each_column_has_what_happened_in_it(place: Place, read: Read) -> None:
    yesterday = read().period.begins
    for hours in (0, 23, 24, 71, 72):
        a_payment(place.sql, gateway=None, created_at=yesterday + timedelta(hours=hours, minutes=59))
    assert [each.charged for each in read().columns] == [2, 1, 1]


def test_other_currencies_are_named_apart(place: Place, read: Read) -> None:
    for currency in ("INR", "USD", "USD", "JPY"):
        a_payment(place.sql, currency=currency)
    figures = read()
    assert (figures.whole.charged, figures.whole.revenue) == (1, 100)
    assert {currency: other.charged for currency, other in figures.others.items()} == {"JPY": 1, "USD": 2}


def test_codes_and_times_are_of_the_newest_payments_alone(place: Place, read: Read) -> None:
    place.sql.run(DECLINED)
    assert read().declines == [("new", MOST_EXAMINED)]
    assert read().times is None  # nobody asked a gateway for rows without one


def test_what_was_paid_before_all_was_counted_is_said_to_be_missing(place: Place, read: Read) -> None:
    place.sql.run("UPDATE figures_since SET since = now()")
    assert read().is_partial
    assert not read(3).is_partial
    place.sql.run("UPDATE figures_since SET since = '-infinity'")
