"""Whoever calls is asked for a token, told what is wrong with it, and permitted what it may do."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.platform.settings import Settings
from shared.web.access.guard import Guard, guard_of, permit
from shared.web.problems import Problem
from shared.web.routes import EVENTS
from tests.fakes.issuer import SUBJECT, WRONG, Issuer, bad_token


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def guard(issuer: Issuer, tmp_path: Path) -> Callable[..., Guard]:
    """The guard of a function, with these settings and one issuer whose keys are in a file."""
    keys = str(issuer.write(tmp_path / "jwks.json"))

    def make(function: str = "create_payment", **settings: str) -> Guard:
        issuers = {"AUTH_ISSUERS": json.dumps([{"issuer": issuer.url, "keys": keys}])}
        made = guard_of(function, Settings.read({**issuers, **settings}))
        assert made is not None
        return made

    return make


def refusal(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as refused:
        work()
    return refused.value


def test_the_service_is_open_without_issuers() -> None:
    assert guard_of("create_payment", Settings.read({})) is None
    assert guard_of("notify", Settings.read({})) is None


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Bearer", "bearertoken", "Token abc"])
def test_who_sends_no_token_is_asked_for_one(guard: Any, header: str | None) -> None:
    problem = refusal(lambda: guard().caller(header))
    if header == "Bearer":
        assert problem.code == "invalid_token"
    else:
        assert (problem.status, problem.code) == (401, "unauthorized")
        assert problem.headers == {"WWW-Authenticate": 'Bearer realm="payment-service"'}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", " Bearer "])
def test_the_scheme_is_read_in_any_case(guard: Any, issuer: Issuer, scheme: str) -> None:
    caller = guard().caller(f"{scheme} {issuer.token()}")
    assert (caller.issuer, caller.subject) == (issuer.url, SUBJECT)
    assert caller.name == f"{issuer.url} {SUBJECT}"


def test_every_bad_token_is_told_the_same(guard: Any, issuer: Issuer) -> None:
    """What is wrong is for the log: an attacker would learn from it how far he has come."""
    told = set()
    for wrong in WRONG:
        problem = refusal(lambda wrong=wrong: guard().caller(f"Bearer {bad_token(issuer, wrong)}"))  # type: ignore[misc]
        assert (problem.status, problem.code) == (401, "invalid_token")
        told.add((problem.detail, problem.headers["WWW-Authenticate"]))
    [(detail, challenge)] = told
    assert challenge.startswith('Bearer realm="payment-service", error="invalid_token", error_description="')
    for claim in ("issuer", "aud", "exp", "nbf", "signed"):
        assert claim in detail


def test_nobody_is_called_a_stranger_while_the_issuer_does_not_answer(issuer: Issuer) -> None:
    with Issuer() as down:
        down.status = 500
        settings = Settings.read({"AUTH_ISSUERS": json.dumps([{"issuer": down.url}])})
        guard = guard_of("create_payment", settings)
        assert guard is not None
        problem = refusal(lambda: guard.caller(f"Bearer {down.token()}"))
        assert (problem.status, problem.code) == (503, "issuer_unavailable")
        assert problem.retry_after


def test_permissions_come_from_the_scope_and_from_the_settings(guard: Any, issuer: Issuer) -> None:
    subjects = json.dumps({SUBJECT: "payments:write", "somebody": "metrics:read"})
    made = guard(AUTH_SUBJECTS=subjects)
    assert made.caller(f"Bearer {issuer.token()}").permissions == {"payments:write"}
    both = made.caller(f"Bearer {issuer.token(scope='payments:read other')}").permissions
    assert both >= {"payments:write", "payments:read"}
    assert "metrics:read" not in both
    assert guard().caller(f"Bearer {issuer.token()}").permissions == frozenset()


def test_a_subject_is_permitted_only_as_the_issuer_s_that_is_named(tmp_path: Path) -> None:
    with Issuer("one") as one, Issuer("two") as two:
        issuers = [
            {"issuer": each.url, "keys": str(each.write(tmp_path / f"{each.names[0]}.json"))} for each in (one, two)
        ]
        subjects = {f"{one.url} {SUBJECT}": "payments:write"}
        settings = Settings.read({"AUTH_ISSUERS": json.dumps(issuers), "AUTH_SUBJECTS": json.dumps(subjects)})
        guard = guard_of("create_payment", settings)
        assert guard is not None
        assert guard.caller(f"Bearer {one.token()}").permissions == {"payments:write"}
        for pretender in (two.token(), two.token(sub=f"{one.url} {SUBJECT}")):
            assert guard.caller(f"Bearer {pretender}").permissions == frozenset()


def test_nobody_gets_a_permission_by_a_subject_that_reads_like_an_issuer_and_another_s(
    guard: Any, issuer: Issuer
) -> None:
    made = guard(AUTH_SUBJECTS=json.dumps({f"{issuer.url} {SUBJECT}": "payments:write"}))
    assert made.caller(f"Bearer {issuer.token()}").permissions == {"payments:write"}
    assert made.caller(f"Bearer {issuer.token(sub=f'{issuer.url} {SUBJECT}')}").permissions == frozenset()


def test_a_caller_that_may_not_is_told_which_permission_it_takes(guard: Any, issuer: Issuer) -> None:
    caller = guard().caller(f"Bearer {issuer.token(scope='payments:read')}")
    permit(caller, "payments:read")
    problem = refusal(lambda: permit(caller, "payments:write"))
    assert (problem.status, problem.code) == (403, "insufficient_scope")
    challenge = 'Bearer realm="payment-service", error="insufficient_scope", scope="payments:write"'
    assert problem.headers == {"WWW-Authenticate": challenge}


@pytest.mark.parametrize("function", ["notify", "sweep", "dead_letters", "charge_trip", "reconcile"])
def test_events_are_taken_from_the_senders_that_are_named(function: str, issuer: Issuer, tmp_path: Path) -> None:
    """Whatever a token's scope is: nobody gives himself this permission."""
    senders = {
        "issuer": issuer.url,
        "audience": "events",
        "keys": str(issuer.write(tmp_path / "jwks.json")),
        "subjects": ["the broker"],
    }
    guard = guard_of(function, Settings.read({"AUTH_EVENTS": json.dumps(senders)}))
    assert guard is not None
    permit(guard.caller(f"Bearer {issuer.token(sub='the broker', aud='events')}"), EVENTS)
    stranger = guard.caller(f"Bearer {issuer.token(sub='somebody', aud='events', scope=EVENTS)}")
    assert refusal(lambda: permit(stranger, EVENTS)).code == "insufficient_scope"
    assert refusal(lambda: guard.caller(f"Bearer {issuer.token(sub='the broker')}")).code == "invalid_token"


def test_who_may_send_events_is_not_asked_of_clients_and_the_other_way_round(issuer: Issuer, tmp_path: Path) -> None:
    keys = str(issuer.write(tmp_path / "jwks.json"))
    events = Settings.read({"AUTH_EVENTS": json.dumps({"issuer": issuer.url, "keys": keys, "subjects": ["a"]})})
    clients = Settings.read({"AUTH_ISSUERS": json.dumps([{"issuer": issuer.url, "keys": keys}])})
    assert guard_of("create_payment", events) is None
    assert guard_of("sweep", clients) is None
