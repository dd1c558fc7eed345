"""A caller that asks too often is told when it may ask again."""

import time

import flask
import pytest

from shared.web.problems import Problem
from shared.web.rates import CALLER_HEADER, Limiter, address_of


def asks(limiter: Limiter, caller: str = "10.0.0.1") -> None:
    with flask.Flask(__name__).test_request_context(headers={CALLER_HEADER: caller}):
        limiter.admit(address_of(flask.request))


@pytest.mark.parametrize(("rate", "window"), [("2/second", 1), ("2/minute", 60), ("2/hour", 3600)])
def test_who_asks_too_often_is_told_to_come_back_when_the_window_is_over(rate: str, window: int) -> None:
    limiter = Limiter(rate)
    refused = None
    while refused is None:  # at the end of a window the count begins anew
        try:
            asks(limiter)
        except Problem as problem:
            refused = problem
    assert refused.code == "rate_limited"
    assert refused.retry_after is not None
    assert 1 <= refused.retry_after <= window
    asks(limiter, "10.0.0.2")


def test_whoever_comes_back_when_told_is_admitted() -> None:
    limiter = Limiter("1/second")
    asks(limiter)
    refused = None
    while refused is None:
        try:
            asks(limiter)
        except Problem as problem:
            refused = problem
    time.sleep(refused.retry_after or 0)
    asks(limiter)


def test_without_a_rate_nobody_is_counted() -> None:
    limiter = Limiter("")
    for _ in range(100):
        asks(limiter)
