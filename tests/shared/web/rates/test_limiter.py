"""A caller that asks too often is told when it may ask again."""

import re
import time

import flask
import pytest

from shared.web.problems import Problem
from shared.web.rates import window
from shared.web.rates.limiter import CALLER_HEADER, Limiter, address_of
from shared.web.rates.window import Window


def refusal(limiter: Limiter, caller: str = "10.0.0.1") -> Problem:
    """Asks until it is refused: at the end of a window the count begins anew."""
    while True:
        try:
            limiter.admit(caller)
        except Problem as problem:
            return problem


@pytest.mark.parametrize(("rate", "seconds"), [("2/second", 1), ("2/minute", 60), ("2/hour", 3600)])
def test_who_asks_too_often_is_told_to_come_back_when_the_window_is_over(rate: str, seconds: int) -> None:
    limiter = Limiter(rate)
    refused = refusal(limiter)
    assert refused.code == "rate_limited"
    assert refused.retry_after is not None
    assert 1 <= refused.retry_after <= seconds
    limiter.admit("10.0.0.2")


def test_whoever_comes_back_when_told_is_admitted() -> None:
    limiter = Limiter("1/second")
    time.sleep(refusal(limiter).retry_after or 0)
    limiter.admit("10.0.0.1")


def test_without_a_rate_nobody_is_counted() -> None:
    limiter = Limiter("")
    assert [limiter.admit("10.0.0.1") for _ in range(100)] == [{}] * 100


def test_every_answer_says_what_is_left_and_until_when_in_the_fields_of_the_draft() -> None:
    limiter = Limiter("3/hour")
    told = [dict(limiter.admit("10.0.0.1")) for _ in range(3)]
    refused = refusal(limiter)
    assert {each["RateLimit-Policy"] for each in [*told, refused.headers]} == {'"caller";q=3;w=3600'}
    fields = [re.fullmatch(r'"caller";r=(\d+);t=(\d+)', each["RateLimit"]) for each in [*told, refused.headers]]
    left = [int(field[1]) for field in fields if field]
    if left[0] == 2:  # all in one window, as long as it is no full hour just now
        assert left == [2, 1, 0, 0]
    assert fields[-1]
    assert int(fields[-1][2]) == refused.retry_after


def test_an_address_is_the_one_that_the_front_door_saw_and_nobodys_name() -> None:
    app = flask.Flask(__name__)
    with app.test_request_context(headers={CALLER_HEADER: "10.0.0.9", "X-Forwarded-For": "1.2.3.4"}):
        assert address_of(flask.request) == "address 10.0.0.9"
    with app.test_request_context(environ_base={"REMOTE_ADDR": "10.0.0.8"}, headers={"X-Forwarded-For": "1.2.3.4"}):
        assert address_of(flask.request) == "address 10.0.0.8"
    with app.test_request_context(headers={CALLER_HEADER: "https://issuer.example subject"}):
        assert address_of(flask.request) == "address https://issuer.example subject"


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("unix:@/socket", "unix:@/socket"),
    ],
)
def test_the_addresses_of_one_network_of_ipv6_are_one_caller(seen: str, counted: str) -> None:
    app = flask.Flask(__name__)
    with app.test_request_context(headers={CALLER_HEADER: seen}):
        assert address_of(flask.request) == f"address {counted}"


def test_many_addresses_do_not_grow_memory_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MOST_CALLERS", 50)
    counted = Window()
    assert counted.count("known", 7) == 1
    counts = [counted.count("x" * 8000 + str(caller), 7) for caller in range(500)]
    assert len(counted._counts) == 50
    assert sum(counts) == 49
    assert counted.count("known", 7) == 2, "who is known goes on being counted"
    assert counted.count("somebody else", 8) == 1
    assert len(counted._counts) == 1
