"""The pool: lazy, never more than its size, and bounded in time whatever the server does."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from psycopg2.extensions import adapt

from local.postgres import Postgres
from shared.platform.database import Conflict, Database, DatabaseUnavailable
from shared.platform.database.statements import STATEMENTS, statement
from shared.platform.settings import Settings
from tests.sql.rows import CLAIM, a_payment
from tests.support.cluster import ROLE, Cluster, Place, migrate
from tests.support.frozen import frozen
from tests.support.settings import SETTINGS
from tests.support.sql import Sql
from tests.support.till import WatchedDatabase
from tests.support.wire import Wire

CONNECTIONS = """SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = 'payment-service'"""
PATIENCE = SETTINGS.db_statement_timeout + 1


@pytest.fixture
def slow(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Adds statements of the tests: `hold` takes a lock that a test may hold, `slow` takes as long as it is told."""
    folder = tmp_path_factory.mktemp("statements")
    for path in STATEMENTS.glob("*.sql"):
        (folder / path.name).write_text(path.read_text())
    (folder / "hold.sql").write_text("SELECT 1 AS done FROM pg_advisory_xact_lock_shared(7)")
    (folder / "slow.sql").write_text("SELECT 1 AS done FROM pg_sleep(%(seconds)s)")
    monkeypatch.setattr("shared.platform.database.statements.STATEMENTS", folder)
    statement.cache_clear()
    yield
    statement.cache_clear()


def took(call: Callable[[], object]) -> float:
    """How long a call takes that finds the database unavailable."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        call()
    return time.monotonic() - began


def test_a_pool_opens_nothing_until_it_is_used(place: Place) -> None:
    database = Database(place.settings())
    assert place.sql.value(CONNECTIONS) == 0
    database.run("ping")
    assert place.sql.value(CONNECTIONS) == 1
    database.run("ping")
    assert place.sql.value(CONNECTIONS) == 1
    database.close()


def test_fifty_threads_share_five_connections(place: Place, slow: None) -> None:
    database = Database(place.settings(db_pool_size=5))
    seen: list[int] = []
    barrier = threading.Barrier(51)

    def work(_: int) -> None:
        barrier.wait(20)
        for _ in range(4):
            database.run("slow", seconds=0.03)

    with ThreadPoolExecutor(50) as pool:
        done = pool.map(work, range(50))
        barrier.wait(20)
        for _ in range(20):
            seen.append(place.sql.value(CONNECTIONS))
        list(done)
    seen.append(place.sql.value(CONNECTIONS))
    assert max(seen) <= 5
    assert seen[-1] == 5
    database.close()


class Stalls:
    """A parameter that takes as long to be written into its statement as a test wants."""

    def __init__(self) -> None:
        self.reached, self.released = threading.Event(), threading.Event()

    def __conform__(self, _: object) -> object:
        self.reached.set()
        self.released.wait(20)
        return adapt(0)


def test_a_thread_waits_for_a_connection_and_then_gives_up(place: Place, slow: None) -> None:
    database = Database(place.settings(db_pool_size=1, db_statement_timeout=0.2))
    stalls = Stalls()
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(database.run, "slow", seconds=stalls)
        assert stalls.reached.wait(10)
        assert 1.1 < took(lambda: database.run("ping")) < 2.5
        assert not database.writable_within(0.1)
        stalls.released.set()
        holding.exception(10)  # its own time is over too, unless the answer was there at once
    assert database.run("ping") == [{"writable": True}]
    database.close()


def test_a_statement_that_takes_too_long_is_cancelled_by_the_server_and_its_connection_kept(
    place: Place, slow: None
) -> None:
    database = Database(place.settings())
    database.run("ping")
    assert took(lambda: database.run("slow", seconds=60)) == pytest.approx(2, abs=0.8)
    assert place.sql.value(CONNECTIONS) == 1
    assert place.sql.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(60%%' AND state = 'active'"
                           " AND pid <> pg_backend_pid()") == 0  # fmt: skip
    database.close()


def test_connections_that_are_terminated_are_thrown_away_and_replaced(place: Place) -> None:
    database = WatchedDatabase(place.settings(db_pool_size=5))
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: database.run("ping"), range(20)))
    terminate = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'payment-service'"
    )
    place.sql.run(terminate + " AND datname = current_database()")
    assert database.one("ping") == {"writable": True}  # may be repeated: no trouble is seen
    assert place.sql.value(CONNECTIONS) == 1
    place.sql.run(terminate + " AND datname = current_database()")
    database.run("claim_payment", **CLAIM)  # may not be repeated, and nothing of it was sent
    database.close()


def test_a_claim_whose_connection_breaks_under_it_is_not_tried_again(place: Place, wire: Wire) -> None:
    database = Database(place.settings(db_port=wire.port))
    database.run("ping")
    wire.cut_after("EXECUTE claim_payment")
    with pytest.raises(DatabaseUnavailable) as failure:
        database.run("claim_payment", **CLAIM)
    assert failure.value.passing
    assert not failure.value.undone
    assert place.sql.value("SELECT count(*) FROM payments") == 1
    database.close()


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_was_surely_rolled_back_is_tried_once_more_claims_too(place: Place, code: str) -> None:
    place.sql.run(
        f"""CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO {ROLE["DB_APP_USER"]};
        CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') = 1 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '{code}'; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER lose_once AFTER INSERT ON payments EXECUTE FUNCTION lose_once()"""
    )
    database = Database(place.settings())
    assert database.run("claim_payment", **CLAIM)
    assert place.sql.value("SELECT count(*) FROM payments") == 1
    database.close()


def test_a_server_that_stops_taking_writes_is_left_and_found_again(own: tuple[Postgres, Database]) -> None:
    """As after a fail-over, when a name leads to a standby for a while."""
    server, database = own
    assert database.writable_within(2)
    with Sql(server.environment("payments")) as sql:
        takes_writes(sql, False)
        until_unavailable(database)
        with pytest.raises(DatabaseUnavailable):
            database.run("claim_payment", **CLAIM)
        assert not database.writable_within(2)
        takes_writes(sql, True)
    assert database.run_again("payment_totals") == []
    assert database.run("claim_payment", **CLAIM)
    assert database.writable_within(2)


def takes_writes(sql: Sql, does: bool) -> None:
    """Has the server say that it takes writes, or none; returns when new connections are told so."""
    wanted = "off" if does else "on"
    sql.run(f"ALTER SYSTEM SET default_transaction_read_only = {wanted}")
    sql.run("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while sql.value("SELECT current_setting('default_transaction_read_only')") != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def until_unavailable(database: Database) -> None:
    """Reads until the server's word has come to the connections that are open."""
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            database.run_again("payment_totals")
    except DatabaseUnavailable:
        return
    raise AssertionError("reads go on")


def test_a_conflict_names_what_refused_it_and_keeps_the_connection(place: Place) -> None:
    database = Database(place.settings())
    a_payment(place.sql, reference="PAY-1")
    with pytest.raises(Conflict) as refusal:
        database.run("claim_payment", **CLAIM)
    assert refusal.value.constraint == "payments_reference_key"
    assert place.sql.value("SELECT count(*) FROM idempotency_keys") == 0
    assert place.sql.value(CONNECTIONS) == 1
    database.run("claim_payment", **CLAIM | {"reference": "PAY-2"})
    with pytest.raises(Conflict) as refusal:
        database.run("claim_payment", **CLAIM | {"reference": "PAY-3"})
    assert refusal.value.constraint == "idempotency_keys_pkey"
    assert place.sql.value("SELECT count(*) FROM payments") == 2
    database.close()


def test_what_is_run_together_is_one_commit_and_one_round_trip(place: Place, wire: Wire) -> None:
    database = Database(place.settings(db_port=wire.port))
    database.run("ping")
    before = wire.round_trips
    assert database.run_together("ping", "payment_totals", "ping") == [{"writable": True}]
    assert wire.round_trips - before == 1
    database.close()


def test_what_is_run_together_is_undone_together(place: Place) -> None:
    database = Database(place.settings())
    payment_id = a_payment(place.sql, status="PENDING")
    key = "INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, ask_after)"
    place.sql.run(key + " VALUES (sha256('k'), sha256('f'), %s, 'c', now())", (payment_id,))
    parameters = {"actor": "me", "outcome": "succeeded", "reason": "because", "gateway_said": "yes"}
    parameters |= {"key_hash": bytes(place.sql.value("SELECT sha256('k')")), "payment_id": payment_id, "status": "LOST"}
    parameters |= {"failure_code": None, "gateway_id": None, "forced": False, "key_ttl": 1, "asked_ms": None}
    with pytest.raises(Exception, match="payments_status_check"):
        database.run_together("audit", "settle_payment", **parameters)
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0
    database.close()


@pytest.fixture
def refused(place: Place) -> Settings:
    return place.settings(db_port=1)


def test_a_server_that_is_not_there_is_known_at_once(refused: Settings) -> None:
    assert took(lambda: Database(refused).run("ping")) < 1
    assert not Database(refused).writable_within(1)


def test_a_wrong_password_and_a_database_that_is_not_there_are_unavailable(place: Place) -> None:
    for settings in (place.settings(db_pass="wrong"), place.settings(db_name="nowhere")):
        with pytest.raises(DatabaseUnavailable) as failure:
            Database(settings).run("ping")
        assert "wrong" not in str(failure.value)


def test_a_server_that_accepts_and_says_nothing_gives_up_after_the_connect_time_out(place: Place, wire: Wire) -> None:
    wire.freeze()
    database = Database(place.settings(db_port=wire.port, db_connect_timeout=0.3))
    assert 0.2 < took(lambda: database.run("ping")) < 1.5
    assert not database.writable_within(0.2)
    wire.thaw()
    assert database.run("ping") == [{"writable": True}]
    database.close()


def test_a_network_that_freezes_midway_gives_up_after_the_statement_time_out(place: Place, wire: Wire) -> None:
    database = Database(place.settings(db_port=wire.port, db_statement_timeout=0.3))
    database.run("ping")
    wire.freeze()
    assert 1.2 < took(lambda: database.run("ping")) < 2.5  # the server's own time-out comes a second earlier
    wire.thaw()
    assert database.run("ping") == [{"writable": True}]
    database.close()


def test_a_time_out_on_a_fresh_connection_is_not_tried_again(place: Place, slow: None) -> None:
    database = Database(place.settings(db_statement_timeout=0.1))
    assert 1 < took(lambda: database.run_again("slow", seconds=1.6)) < 2
    database.close()


@pytest.fixture
def own(cluster: Cluster) -> Iterator[tuple[Postgres, Database]]:
    """A server of this test alone, migrated, which it may stop and freeze; and a pool on it."""
    with Postgres.temporary() as server:
        server.create_database("payments")
        migrate(server, "payments")
        place = Place(server, "payments")
        database = Database(place.settings())
        yield server, database
        database.close()


def test_a_pool_survives_what_happens_to_its_server(own: tuple[Postgres, Database]) -> None:
    """Restarted, killed, and frozen: one server for all three, since a start takes a while."""
    server, database = own
    assert database.writable_within(2)
    server.restart()
    assert database.one("ping") == {"writable": True}  # the connection of before is replaced without a fuss
    server.kill()
    assert took(lambda: database.run_again("ping")) < 1
    assert not database.writable_within(2)
    server.start()
    assert database.run("ping") == [{"writable": True}]
    with frozen(server.processes()):
        began = time.monotonic()
        assert not database.writable_within(1)
        assert time.monotonic() - began < 1.5
        with ThreadPoolExecutor(8) as pool:  # more than it has connections: all give up in time
            waits = list(pool.map(lambda _: took(lambda: database.run("ping")), range(8)))
        assert max(waits) < PATIENCE + SETTINGS.db_connect_timeout + 1
    assert database.run("ping") == [{"writable": True}]


def test_a_database_that_is_not_migrated_is_unavailable(cluster: Cluster) -> None:
    cluster.server.create_database("unmigrated")
    owner = replace(Place(cluster.server, "unmigrated").settings(), db_user="postgres", db_pass=cluster.server.password)
    database = Database(owner)
    for name in ("ping", "payment_totals", "watch_totals", "pending"):
        with pytest.raises(DatabaseUnavailable):
            database.run_again(name, limit=1, looked=1, most_counted=1)
    assert not database.writable_within(2)
    database.close()


def test_a_role_without_rights_is_unavailable(place: Place) -> None:
    place.sql.run("DROP ROLE IF EXISTS stranger")
    place.sql.run("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    database = Database(place.settings(db_user="stranger", db_pass="x"))
    with pytest.raises(DatabaseUnavailable):
        database.run("payment_totals")
    assert not database.writable_within(2)
    database.close()


def test_a_database_that_takes_no_writes_is_unavailable_even_for_reads(place: Place) -> None:
    place.sql.run(f"ALTER DATABASE {place.name} SET default_transaction_read_only = on")
    database = Database(place.settings())
    for name in ("delete_expired_keys", "payment_totals"):
        with pytest.raises(DatabaseUnavailable):
            database.run(name, limit=1)
    assert not database.writable_within(2)
    database.close()


def test_a_pool_never_waits_longer_than_it_is_told(place: Place, wire: Wire) -> None:
    database = Database(place.settings(db_port=wire.port))
    wire.freeze()
    began = time.monotonic()
    assert not database.writable_within(0.3)
    assert time.monotonic() - began < 1
    wire.thaw()


def test_another_threads_deadline_is_not_ours(place: Place, slow: None) -> None:
    """A health check that gives up after a moment does not cut short a statement in another thread."""
    database = Database(place.settings())
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(database.run, "slow", seconds=0.5)
        short = pool.submit(database.writable_within, 0.1)
        assert short.result(5) in (True, False)
        assert long.result(5) == [{"done": 1}]
    assert database.run("slow", seconds=0.3) == [{"done": 1}]
    database.close()


def test_the_connections_of_the_process_that_are_not_the_pools_are_left_alone(cluster: Cluster) -> None:
    """The migrations' connection, in a process that has the pool imported, and has used it."""
    from sql.owner import connect

    with connect(cluster.server.environment()) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")
    owner.close()
    assert ROLE["DB_APP_USER"] == "payments_app"


def test_a_statement_is_read_without_its_comments() -> None:
    for path in STATEMENTS.glob("*.sql"):
        text = statement(path.stem)
        assert "--" not in text
        assert text
        assert not text.endswith(";")


def test_closing_closes_what_nobody_uses(place: Place) -> None:
    database = Database(place.settings())
    database.run("ping")
    database.close()
    with Sql(place.owner) as sql:
        deadline = time.monotonic() + 5
        while sql.value(CONNECTIONS) and time.monotonic() < deadline:
            sql.run("SELECT pg_sleep(0.01)")
        assert sql.value(CONNECTIONS) == 0
