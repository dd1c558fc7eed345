"""The ledger: each movement of money is booked in the statement that settles it, whoever runs that; and the balances that are
kept of the journal are what it says, whoever books, folds and reads at the same moment."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from re import sub
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import errors

from shared.platform.database.statements import statement
from sql import migrate
from sql.rights import RIGHTS
from tests.sql.journal import booked, the_books_balance
from tests.sql.migrating import migrate_beside
from tests.sql.pages import pages
from tests.sql.rows import CLAIM, a_dispute, a_payment, a_refund, insert, move
from tests.sql.samples import SAMPLES
from tests.sql.test_totals import folded_by
from tests.sql.test_totals_entries import RESTORED
from tests.support.cluster import ROLE, Cluster, Place
from tests.support.sql import Sql

FOLD = statement("keep_up")
SHARED = {"driver_id": "drv-1", "commission": "20.00"}
LATE = {"source": "late_payment", "charge_id": "pi_late"}
ENTRY = {"movement": "fee txn_1", "currency": "INR", "gateway": "stripe", "fees": "3.00", "gateway_receivable": "-3.00"}


@pytest.mark.parametrize(
    ("payment", "entry"),
    [
        ({}, {"gateway_receivable": "100.00", "revenue": "-100.00"}),
        ({"method": "CASH"}, {"cash_with_drivers": "100.00", "revenue": "-100.00"}),
        (SHARED, {"gateway_receivable": "100.00", "revenue": "-20.00", "drivers_payable": "-80.00"}),
        (
            SHARED | {"method": "CASH"},
            {"cash_with_drivers": "100.00", "revenue": "-20.00", "drivers_payable": "-80.00"},
        ),
        (SHARED | {"commission": "0.00"}, {"gateway_receivable": "100.00", "drivers_payable": "-100.00"}),
        ({"driver_id": "drv-1"}, {"gateway_receivable": "100.00", "revenue": "-100.00"}),
    ],
)
def test_a_charge_is_with_the_gateway_or_the_driver_and_ours_or_the_driver_s(
    place: Place, payment: dict[str, Any], entry: dict[str, str]
) -> None:
    a_payment(place.sql, **payment)
    assert booked(place.sql) == [("charge", entry)]
    the_books_balance(place.sql)


def test_what_is_charged_at_once_is_booked_and_what_is_declined_or_under_way_is_not(place: Place) -> None:
    a_payment(place.sql, status="PENDING")
    a_payment(place.sql, status="FAILED", failure_code="card_declined")
    assert booked(place.sql) == []
    place.sql.run(statement("charge_at_once"), CLAIM | {"method": "CASH", "amount": 5, "gateway": "cash"})
    assert booked(place.sql) == [("charge", {"cash_with_drivers": "5.00", "revenue": "-5.00"})]


def test_a_charge_that_is_adopted_is_booked_when_it_is(place: Place) -> None:
    payment_id = a_payment(place.sql, status="FAILED")
    adopted = {"status": "SUCCESS", "late_charge_id": "pi_1", "failed_at": "now"}
    move(place.sql, "payments", {"payment_id": payment_id}, adopted)
    assert booked(place.sql) == [("charge", {"gateway_receivable": "100.00", "revenue": "-100.00"})]


def test_a_row_of_the_seed_is_booked_for_when_it_says_with_what_of_it_was_refunded(place: Place) -> None:
    a_payment(place.sql, gateway=None, refunded_amount="30.00", created_at="2024-11-05T22:18:21Z")
    a_payment(place.sql, gateway=None, status="FAILED")
    assert booked(place.sql) == [("charge", {"gateway_receivable": "70.00", "revenue": "-100.00", "refunds": "30.00"})]
    assert place.sql.value("SELECT at = '2024-11-05T22:18:21Z' FROM ledger_entries")
    the_books_balance(place.sql)


@pytest.mark.parametrize(("method", "holder"), [("UPI", "gateway_receivable"), ("CASH", "cash_with_drivers")])
def test_a_refund_goes_from_where_its_charge_is_and_comes_back_there(place: Place, method: str, holder: str) -> None:
    payment_id = a_payment(place.sql, method=method)
    a_refund(place.sql, payment_id, status="FAILED")
    a_refund(place.sql, payment_id, status="REVERSED")
    assert booked(place.sql)[1:] == [
        ("refund 2", {holder: "-10.00", "refunds": "10.00"}),
        ("reversal 2", {holder: "10.00", "refunds": "-10.00"}),
    ]


def test_refunds_leave_the_driver_s_share_as_it_is(place: Place) -> None:
    payment_id = a_payment(place.sql, **SHARED)
    a_refund(place.sql, payment_id, amount="100.00")
    [driver] = place.sql.run(statement("ledger_driver"), {"driver_id": "drv-1"})
    assert (driver["earned"], driver["cash_held"], driver["owed"]) == (80, 0, 80)


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("PENDING", []),
        ("FAILED", []),
        ("REFUNDED", ["refund 1"]),
        ("REVERSED", ["refund 1", "reversal 1"]),
    ],
)
def test_a_late_charge_is_with_the_gateway_until_it_is_given_back(place: Place, status: str, after: list[str]) -> None:
    a_refund(place.sql, a_payment(place.sql, status="FAILED"), amount="100.00", status=status, **LATE)
    here, back = {"gateway_receivable": "100.00", "late_payments": "-100.00"}, {}
    back = {account: str(-float(amount)) + "0" for account, amount in here.items()}
    names = ["late charge 1", *after]
    assert booked(place.sql) == [(name, back if name.startswith("refund") else here) for name in names]
    the_books_balance(place.sql)


def test_what_a_dispute_holds_is_booked_each_time_that_it_changes(place: Place) -> None:
    payment_id = a_payment(place.sql)
    over = {"closed_at": "now"}
    dispute = {"dispute_id": a_dispute(place.sql, payment_id, status="INQUIRY", gateway_id="du_1")}
    a_dispute(place.sql, payment_id, status="LOST", gateway_id="du_10", amount="1.00", currency="USD")
    for change in (
        {"status": "OPEN"},
        {"amount": "40.00"},
        {"reason": "fraudulent"},
        {"status": "LOST"} | over,
        {"status": "WON"},
        {"status": "LOST", "amount": "15.00"},
    ):
        move(place.sql, "payment_disputes", dispute, change)
    assert booked(place.sql)[1:] == [
        (f"dispute {name}", {"gateway_receivable": str(-held) + ".00", "disputes": f"{held}.00"})
        for name, held in (("du_10 1", 1), ("du_1 1", 10), ("du_1 2", 30), ("du_1 3", -40), ("du_1 4", 15))
    ]
    the_books_balance(place.sql)


@pytest.mark.parametrize("wrong", [{"fees": "3.01"}, {"bank": "0.01"}, {"gateway_receivable": "0.00"}])
def test_what_does_not_sum_to_zero_is_refused(place: Place, wrong: dict[str, str]) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert(place.sql, "ledger_entries", ENTRY | wrong)
    assert refused.value.diag.constraint_name == "ledger_entries_sum_to_zero"
    assert booked(place.sql) == []


@pytest.mark.parametrize("commission", ["-0.01", "100.01"])
def test_a_commission_is_a_part_of_the_amount(place: Place, commission: str) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        a_payment(place.sql, status="PENDING", driver_id="drv-1", commission=commission)
    assert refused.value.diag.constraint_name == "payments_commission_check"


def test_a_movement_is_booked_once_and_never_changed(place: Place) -> None:
    insert(place.sql, "ledger_entries", ENTRY)
    insert(place.sql, "ledger_entries", ENTRY | {"payment_id": 1})
    for entry in (ENTRY, ENTRY | {"payment_id": 1}):
        with pytest.raises(errors.UniqueViolation, match="ledger_entries_once"):
            insert(place.sql, "ledger_entries", entry)
    for change in ("UPDATE ledger_entries SET fees = 0", "DELETE FROM ledger_entries"):
        with pytest.raises(errors.IntegrityConstraintViolation, match="never changes"):
            place.sql.run(change)
    the_books_balance(place.sql)


def test_a_move_that_is_refused_books_nothing(place: Place) -> None:
    payment_id = a_payment(place.sql, gateway=None, status="PENDING")
    with pytest.raises(errors.IntegrityConstraintViolation, match="never goes"):
        move(place.sql, "payments", {"payment_id": payment_id}, {"status": "SUCCESS"})
    assert booked(place.sql) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["charge", "cash", "seed", "fail", "refund", "reverse", "late", "adopt", "dispute", "fee", "fold"]
        ),
        st.integers(0, 10**6),
    ),
    max_size=25,
)
HOLDING = ("INQUIRY", "OPEN", "LOST")
CHARGES: dict[str, dict[str, Any]] = {
    "charge": {},
    "cash": {"method": "CASH"},
    "seed": {"gateway": None},
    "fail": {"status": "FAILED"},
}


def take(sql: Sql, kind: str, number: int) -> None:
    """One step that money may take; what number it has decides which payment, and how."""
    of = {"currency": ("INR", "USD")[number % 2], "amount": 1 + number % 300, "method": ("CARD", "UPI")[number % 2]}
    driver = {"driver_id": f"drv-{number % 3}", "commission": of["amount"] * (number % 4) / 4} if number % 5 else {}
    if kind in CHARGES:
        a_payment(sql, **(of | driver | CHARGES[kind]))
    elif kind == "refund":
        for row in sql.run(_CHARGED, {"number": number}):
            a_refund(sql, row["payment_id"], amount=row["back"], source=("client", "gateway")[number % 2])
            sql.run(_LESS, row)
    elif kind == "reverse":
        sql.run(_REVERSED, {"number": number})
    elif kind == "adopt":
        for row in sql.run(_FAILED):
            found = {"late_charge_id": "pi_late", "status": "SUCCESS", "failed_at": "now"}
            move(sql, "payments", {"payment_id": row["payment_id"]}, found)
    elif kind == "late":
        for row in sql.run(_FAILED):
            move(sql, "payments", {"payment_id": row["payment_id"]}, {"late_charge_id": "pi_late"})
            status = ("PENDING", "REFUNDED", "REVERSED", "FAILED")[number % 4]
            a_refund(sql, row["payment_id"], amount=row["amount"], status=status, **LATE)
    elif kind == "dispute":
        for row in sql.run(_CHARGED, {"number": number}):
            a_dispute(
                sql, row["payment_id"], status=HOLDING[number % 3], amount=1 + number % 50, currency=row["currency"]
            )
        sql.run(_DISPUTES_MOVED, {"number": number})
    elif kind == "fee":
        insert(sql, "ledger_entries", ENTRY | {"movement": sql.value("SELECT 'fee ' || gen_random_uuid()")})
    else:
        sql.run(FOLD)


_CHARGED = """
SELECT payment_id, currency, CASE WHEN %(number)s %% 3 = 0 THEN left_ ELSE greatest(trunc(left_ / 2, 2), 0.01) END AS back
  FROM (SELECT *, amount - refunded_amount AS left_ FROM payments WHERE status = 'SUCCESS' AND gateway IS NOT NULL) AS charged
 ORDER BY hashint8(payment_id + %(number)s) LIMIT 1
"""
_FAILED = "SELECT payment_id, amount FROM payments WHERE status = 'FAILED' AND late_charge_id IS NULL LIMIT 1"
_LESS = """
UPDATE payments SET refunded_amount = refunded_amount + %(back)s,
       status = CASE WHEN refunded_amount + %(back)s = amount THEN 'REFUNDED' ELSE status END
 WHERE payment_id = %(payment_id)s
"""
_REVERSED = """
WITH reversed AS (
    UPDATE payment_refunds SET status = 'REVERSED', reversed_at = now()
     WHERE refund_id = (SELECT refund_id FROM payment_refunds WHERE status = 'REFUNDED' AND source <> 'late_payment'
                         ORDER BY hashint8(refund_id + %(number)s) LIMIT 1)
    RETURNING payment_id, amount
)
UPDATE payments p
   SET refunded_amount = refunded_amount - r.amount, reversed_amount = reversed_amount + r.amount, status = 'SUCCESS'
  FROM reversed r WHERE r.payment_id = p.payment_id
"""
_DISPUTES_MOVED = """
UPDATE payment_disputes
   SET status = CASE status WHEN 'OPEN' THEN 'WON' WHEN 'WON' THEN 'LOST' WHEN 'LOST' THEN 'WON' ELSE 'OPEN' END,
       amount = amount + 1, closed_at = CASE WHEN status <> 'INQUIRY' THEN now() END
 WHERE hashint8(dispute_id + %(number)s) % 2 = 0
""".replace("% 2", "%% 2")


@pytest.fixture(scope="module")
def shared_place(cluster: Cluster) -> Iterator[Place]:
    """One in ten entries that are written has the totals folded."""
    with cluster.database() as place:
        place.sql.run(folded_by(0.1))
        yield place


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_whatever_happens_the_books_balance_and_equal_the_totals(
    shared_place: Place, steps: list[tuple[str, int]]
) -> None:
    for kind, number in steps:
        take(shared_place.sql, kind, number)
    the_books_balance(shared_place.sql)


def test_balances_are_right_beside_whoever_writes_for_long_and_in_a_snapshot_that_is_held(place: Place) -> None:
    a_payment(place.sql, **SHARED)
    with place.connection() as slow, place.connection() as backup:
        backup.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        was = backup.run(statement("ledger_balances"), SAMPLES["ledger_balances"])
        slow.run("BEGIN")
        a_payment(slow, method="CASH", **SHARED)
        for _ in range(5):
            a_payment(place.sql, **SHARED)
            place.sql.run(FOLD)
            the_books_balance(place.sql)
        slow.run("COMMIT")
        the_books_balance(place.sql)
        place.sql.run(FOLD)
        the_books_balance(place.sql)
        assert backup.run(statement("ledger_balances"), SAMPLES["ledger_balances"]) == was
        the_books_balance(backup)
        backup.run("COMMIT")


def test_a_restored_database_whose_transactions_are_counted_anew_has_its_balances(place: Place) -> None:
    a_payment(place.sql, **SHARED)
    place.sql.run(FOLD)
    a_payment(place.sql, method="CASH", **SHARED)
    place.sql.run(RESTORED)
    the_books_balance(place.sql)
    for _ in range(3):
        a_payment(place.sql, **SHARED)
        place.sql.run(FOLD)
        the_books_balance(place.sql)


@pytest.mark.parametrize("emptied", ["payments, ledger_entries CASCADE", "payments RESTART IDENTITY CASCADE"])
def test_a_journal_that_is_emptied_also_with_its_payments_has_no_balances(place: Place, emptied: str) -> None:
    for _ in range(3):
        a_payment(place.sql, **SHARED)
        place.sql.run(FOLD)
    a_payment(place.sql, **SHARED)
    place.sql.run(f"TRUNCATE {emptied}")
    the_books_balance(place.sql)
    a_payment(place.sql, **SHARED)
    place.sql.run(FOLD)
    the_books_balance(place.sql)


def test_writers_folds_and_readers_at_once_see_books_that_balance(shared_place: Place) -> None:
    def work(number: int) -> None:
        with shared_place.connection() as sql:
            for turn in range(15):
                payment_id = a_payment(sql, currency=("INR", "USD")[number % 2], **SHARED)
                a_dispute(sql, payment_id, status="OPEN")
                sql.run(FOLD)
                the_books_balance(sql, "infinity" if turn % 5 else "-infinity")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    deadlocks: int = shared_place.sql.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0


# Of 7 drivers, in as many seconds as there are entries.
MANY = """
INSERT INTO ledger_entries (at, movement, currency, gateway, driver_id, gateway_receivable, cash_with_drivers)
SELECT now() - make_interval(secs => n % 1000), 'handed over ' || n, 'INR', 'stripe', 'drv-' || n % 7, 10, -10
  FROM generate_series(%(first)s, %(last)s) AS n
""".replace("n % ", "n %% ")


@pytest.mark.parametrize("plan", ["custom", "generic"])
def test_balances_cost_the_same_however_many_entries_there_are(place: Place, plan: str) -> None:
    read = []
    for first, last in ((1, 1_000), (1_001, 20_000)):
        place.sql.run(MANY, {"first": first, "last": last})
        while place.sql.run(FOLD)[0]["folded"] > 10:
            pass
        place.sql.run("VACUUM ANALYZE totals_entries, ledger_by_quarter, ledger_by_driver, totals_folded")
        read.append(
            [
                pages(place.sql, name, SAMPLES[name], plan)
                for name in ("ledger_balances", "ledger_drivers", "ledger_driver")
            ]
        )
    assert max(map(max, read)) <= 20
    the_books_balance(place.sql)


# What is in the rights for what this migration, and those after it, add.
NEWER = (
    r",\s+(ledger_counted|ledger_moves|driver_id, commission, tells_key|tells_key)\b"
    r"|, gateway, driver_id, gateway_receivable, [^)]*"
    r"|GRANT [^;]*\sON (ledger_\w+|reconcil\w+|cell) TO {role};"
    r"|GRANT EXECUTE [^;]*;"
)


@pytest.fixture
def before(cluster: Cluster, tmp_path: Any) -> Iterator[dict[str, str]]:
    """A database of the version before, with its rights; migrate.MIGRATIONS is the present again."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in migrate.MIGRATIONS.glob("*.sql"):
        if path.name < "0026":
            shutil.copy(path, folder)
    (tmp_path / "rights.sql").write_text(sub(NEWER, "", RIGHTS.read_text()))
    cluster.server.create_database("before_ledger")
    database = cluster.server.environment("before_ledger") | ROLE
    with pytest.MonkeyPatch.context() as past:
        past.setattr(migrate, "MIGRATIONS", folder)
        past.setattr(migrate, "be_cell", lambda *_: None)
        past.setattr("sql.rights.RIGHTS", tmp_path / "rights.sql")
        migrate.migrate(database)
    yield database
    with Sql(cluster.server.environment()) as sql:
        sql.run("DROP DATABASE before_ledger WITH (FORCE)")


OPENING = [
    (
        "opening INR",
        {"gateway_receivable": "160.00", "cash_with_drivers": "75.00", "revenue": "-200.00", "refunds": "65.00"}
        | {"late_payments": "-100.00"},
    ),
    ("opening USD", {"gateway_receivable": "-7.00", "disputes": "7.00"}),
]


def test_books_of_before_open_with_what_was_settled_while_functions_of_before_go_on(before: dict[str, str]) -> None:
    turns = count(1)

    def charge_and_refund(own: Sql) -> None:
        turn = next(turns)
        payment_id = a_payment(own, reference=f"PAY-{turn}")
        own.run(
            "WITH refund AS (UPDATE payment_refunds SET status = 'REFUNDED' WHERE refund_id = %s RETURNING payment_id, amount)"
            " UPDATE payments p SET refunded_amount = r.amount FROM refund r WHERE p.payment_id = r.payment_id",
            (a_refund(own, payment_id, status="PENDING", reference=f"REF-{turn}"),),
        )
        own.run(FOLD)

    with Sql(before) as sql:
        a_payment(sql, refunded_amount="40.00")
        a_payment(sql, method="CASH", gateway=None, refunded_amount="25.00")
        a_payment(sql, status="PENDING")
        late = {"amount": "100.00", **LATE}
        a_refund(sql, a_payment(sql, status="FAILED"), status="PENDING", **late)
        a_refund(sql, a_payment(sql, status="FAILED"), **late)
        a_dispute(sql, 1, status="LOST", currency="USD", amount="7.00")
        a_dispute(sql, 1, status="INQUIRY")
        with pytest.MonkeyPatch.context() as alone:
            alone.setattr("tests.sql.migrating.TURNS_AFTER", 5)
            migrate_beside(before, {}, 2 * [charge_and_refund])
        the_books_balance(sql, sql.value("SELECT max(at) FROM ledger_entries WHERE movement LIKE 'opening%'"))
        openings = [entry for entry in booked(sql) if entry[0].startswith("opening")]
        assert openings[1:] == OPENING[1:]
        inr = {account: float(amount) for account, amount in openings[0][1].items()}
        earlier = -200 - inr["revenue"]
        assert earlier % 100 == 0
        assert inr["late_payments"] == -100
        assert inr["cash_with_drivers"] == 75
        assert sql.value("SELECT count(*) FROM ledger_entries WHERE movement = 'charge'") > 0
