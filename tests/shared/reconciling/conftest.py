"""A till whose gateway is like Stripe's, with books of its own, and both compared."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.gateways.stripe.gateway import Stripe
from shared.reconciling.reconcile import reconcile
from shared.reconciling.run import Run, take
from shared.reconciling.window import Window
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN
from tests.support.cluster import Place
from tests.support.sql import Row
from tests.support.till import Till, shown

FOREVER = float("inf")
AROUND_NOW = timedelta(hours=2)


class Books:
    """The books of a till, and those of its gateway (`like`), which are around now."""

    def __init__(self, till: Till, place: Place, like: StripeLike) -> None:
        self.till = till
        self.place = place
        self.like = like
        self.last = 0
        now = datetime.now(UTC).replace(microsecond=0)
        self.window = Window(now - AROUND_NOW, now + AROUND_NOW, "around-now")

    def pay(self, token: str = "pm_card", **more: str) -> str:
        """Charges a trip; what the gateway calls the charge."""
        answer = shown(self.till.pay(trip_id=self.payments() + 1, payment_token=token, **more))
        payment_id = answer.get("payment", answer)["payment_id"]
        rows = self.place.sql.run("SELECT gateway_id FROM payments WHERE payment_id = %s", (payment_id,))
        return str(rows[0]["gateway_id"])

    def payments(self) -> int:
        return int(self.place.sql.value("SELECT coalesce(max(payment_id), 0) FROM payments"))

    def follow(self) -> None:
        """Sweeps follow whatever the gateway rang with, to the end."""
        while self.hear() or self.place.sql.value("SELECT count(*) FROM gateway_rings"):
            pass

    def hear(self) -> int:
        """One sweep: how many events nobody had heard. It may not have followed all of them."""
        self.place.sql.run("UPDATE gateway_cursors SET read_after = now(); UPDATE gateway_rings SET ask_after = now()")
        return self.till.sweep()["missed"]

    def midnight(self) -> tuple[Window, Window]:
        """The time up to now, and that from now on, as days that meet; what the gateway did before is in the first."""
        self.like.control({"skip": 2})  # it counts in seconds
        now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        return self.window._replace(ends=now), self.window._replace(begins=now)

    def yesterday(self) -> Window:
        day = timedelta(days=1)
        return self.window._replace(begins=self.window.begins - day, ends=self.window.ends - day)

    def take(self, window: Window | None = None) -> Run:
        [gateway] = self.till.deps.gateways.that_keep_books()
        run = take(self.till.deps, gateway, window or self.window)
        assert run is not None
        return run

    def reconcile(self, window: Window | None = None) -> Run:
        run = self.take(window)
        reconcile(run, FOREVER)
        self.last = run.reconciliation_id
        return run

    def found(self) -> list[Row]:
        """Every movement of the last reconciliation, oldest first."""
        text = "SELECT * FROM reconciled_movements WHERE reconciliation_id = %s ORDER BY at, movement"
        return self.place.sql.run(text, (self.last,))

    def everything(self) -> dict[str, list[Row]]:
        """All rows of all tables, but which run it was and when."""
        tables = self.place.sql.run(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        rows = {
            table["relname"]: self.place.sql.run(f"SELECT to_jsonb(t) AS row FROM {table['relname']} AS t ORDER BY 1")
            for table in tables
        }
        for row in [*rows["reconciliations"], *rows["reconciled_movements"]]:
            for name in ("run", "begun_at", "finished_at"):
                row["row"].pop(name, None)
        return rows

    def verdicts(self) -> list[tuple[str, str]]:
        return [(row["kind"], row["verdict"]) for row in self.found()]

    def differences(self) -> list[tuple[str, str]]:
        return [each for each in self.verdicts() if each[1] not in ("matched", "not_yet_due")]

    def receivable(self) -> int:
        """What the gateway owes us as the journal has it, in minor units."""
        return int(100 * self.place.sql.value("SELECT coalesce(sum(gateway_receivable), 0) FROM ledger_entries"))

    def balance(self) -> int:
        """What we have with the gateway, as it says."""
        return int(self.like.ledger()["balance"].get("inr", 0))


@pytest.fixture
def books(till: Till, place: Place) -> Iterator[Books]:
    with StripeLike() as like:
        till.gateway = Stripe(API_KEY, like.url, 5.0, certain_after=CERTAIN)  # type: ignore[assignment]
        yield Books(till, place, like)
