"""The database dies, hangs, restarts, or an administrator ends its connections, under load."""

from collections.abc import Callable

import pytest
import urllib3

from tests.fakes.gateway import StripeLike
from tests.faults.service import Service, all_is_right, eventually, load, more_are_paid, new_key
from tests.support.cluster import Place
from tests.support.wire import Wire

TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'payment-service'"
)


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_database_that_is_killed_or_restarted_under_load_loses_and_doubles_nothing(
    serve: Callable[..., Service], mortal: Place, bank: StripeLike, how: str
) -> None:
    service = serve(mortal, "create_payment")
    worker = service.functions.process("create_payment").pid
    with load(service) as under_way:
        for _ in range(2):
            more_are_paid(under_way)
            if how == "killed":
                mortal.server.kill()
                mortal.server.start()
            else:
                mortal.server.restart()
        more_are_paid(under_way)
    mortal.sql.close()  # the tests' own connection died too
    all_is_right(under_way, service, bank)
    assert under_way.seen <= {201, 202, 409, 503}
    assert service.functions.process("create_payment").pid == worker, "the function was started again"
    assert "unexpected failure" not in service.functions.log("create_payment")


@pytest.mark.parametrize("how", ["silent", "refusing"])
def test_an_unreachable_database_is_503_with_retry_after_and_then_all_is_well_without_a_restart(
    serve: Callable[..., Service], mortal: Place, bank: StripeLike, how: str
) -> None:
    with Wire(mortal.server.port) as wire:
        port = wire.port if how == "silent" else mortal.server.port
        service = serve(mortal, "create_payment", "health", DB_PORT=str(port))
        assert service.pay().status == 201  # a connection is in the pool
        key = new_key()
        if how == "silent":
            wire.freeze()
        else:
            mortal.server.stop()
        # Longer than any one of its time-outs: what is in the pool is given up, and new connections are not to be had.
        for _ in range(4):
            answer = service.pay(key)
            assert (answer.status, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.took < 6, "a wait has no bound"
        assert health(service) == 503
        if how == "silent":
            wire.thaw()
        else:
            mortal.server.start()
            mortal.sql.close()
        assert service.until_final(lambda: service.pay(key)).status == 201
        assert health(service) == 200
    assert mortal.sql.value("SELECT count(*) FROM payments") == 2
    assert len(bank.ledger()["charges"]) == 2


def health(service: Service) -> int:
    return urllib3.request("GET", f"{service.functions.url('health')}/health", retries=False, timeout=10).status


def test_connections_that_an_administrator_terminates_are_replaced_under_load(
    serve: Callable[..., Service], mortal: Place, bank: StripeLike
) -> None:
    service = serve(mortal, "create_payment")
    with load(service) as under_way:
        for _ in range(5):
            more_are_paid(under_way, 3)
            eventually(lambda: mortal.sql.run(TERMINATE))  # at times there is none, between one and its successor
    all_is_right(under_way, service, bank)
    assert "unexpected failure" not in service.functions.log("create_payment")


def test_a_client_sees_nothing_of_idle_connections_that_were_terminated(
    serve: Callable[..., Service], mortal: Place, bank: StripeLike
) -> None:
    service = serve(mortal, "create_payment")
    for _ in range(3):
        assert service.pay().status == 201
        assert mortal.sql.run(TERMINATE)
    assert service.pay().status == 201
