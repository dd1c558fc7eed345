"""Instances that count together in a real Valkey; and go on, each by itself, where it is down, slow or no Valkey at all."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from local.place import CHECKOUT
from shared.platform import log
from shared.platform.log import Line
from shared.web.problems import Problem
from shared.web.rates import shared_store
from shared.web.rates.limiter import Limiter
from shared.web.rates.shared_store import PATIENCE, SharedStore
from tests.support.valkey import Valkey


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as valkey:
        yield valkey


@pytest.fixture(autouse=True)
def audible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log.log, "propagate", True)


def connected(url: str, rate: str = "5/hour") -> Limiter:
    limiter = Limiter(rate, url)
    limiter.connect()
    return limiter


def admitted(limiter: Limiter, caller: str, times: int) -> int:
    """How many of so many requests are admitted."""
    counted = 0
    for _ in range(times):
        with contextlib.suppress(Problem):
            limiter.admit(caller)
            counted += 1
    return counted


def within_one_hour() -> None:
    """Waits where the full hour is about to begin, and with it another window."""
    if (left := 3600 - time.time() % 3600) < 15:
        time.sleep(left)


def test_all_instances_count_a_caller_together(valkey: Valkey) -> None:
    within_one_hour()
    first, second = connected(valkey.url), connected(valkey.url)
    assert admitted(first, "together", 3) == 3
    assert admitted(second, "together", 9) == 2
    assert admitted(first, "together", 1) == 0
    assert first.admit("another")["RateLimit"].startswith('"caller";r=4;')


def test_what_has_a_rate_of_its_own_spends_nothing_of_the_other(valkey: Valkey) -> None:
    within_one_hour()
    clients, webhooks = connected(valkey.url), Limiter("5/hour", valkey.url, apart="gateway_webhook")
    webhooks.connect()
    assert admitted(webhooks, "address 192.0.2.1", 9) == 5
    assert admitted(clients, "address 192.0.2.1", 9) == 5


def test_many_threads_lose_no_count(valkey: Valkey) -> None:
    within_one_hour()
    limiter = connected(valkey.url, "1000/hour")
    limiter.admit("many")
    threads = [threading.Thread(target=lambda: admitted(limiter, "many", 20)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limiter.admit("many")["RateLimit"].startswith(f'"caller";r={1000 - 162};')


def test_until_the_store_is_ready_an_instance_counts_alone_and_misses_none(valkey: Valkey) -> None:
    within_one_hour()
    limiter = Limiter("5/hour", valkey.url)
    assert admitted(limiter, "early", 9) == 5
    limiter.connect()
    assert admitted(limiter, "early", 9) == 5
    assert admitted(limiter, "early", 1) == 0


def test_a_store_that_is_down_stops_nobody_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    within_one_hour()
    monkeypatch.setattr(shared_store, "PAUSE", 0.05)
    with Valkey() as valkey:
        limiter = connected(valkey.url)
        assert admitted(limiter, "down", 2) == 2
        valkey.stop()
        began = time.monotonic()
        assert admitted(limiter, "down", 20) == 5, "this instance counts alone"
        assert time.monotonic() - began < 5
        time.sleep(0.06)
        assert admitted(limiter, "down elsewhere", 3) == 3
        said = [record for record in caplog.records if record.name == log.log.name]
        assert [record.message for record in said] == ["rates not shared: each instance counts alone"]
        assert valkey.password not in Line().format(said[0])
        valkey.start()
        time.sleep(0.06)
        assert limiter._shared
        assert limiter._shared.count("back", 1) == 1, "it is asked again, and answers"


def test_a_store_that_does_not_answer_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = SharedStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", 3600)
        store.connect()
        began = time.monotonic()
        assert store.count("patient", 1) is None
        assert PATIENCE * 0.9 < time.monotonic() - began < 2 * PATIENCE + 0.2
        began = time.monotonic()
        assert [store.count("patient", 1) for _ in range(100)] == [None] * 100
        assert time.monotonic() - began < PATIENCE, "it is left alone meanwhile"
    assert len(caplog.records) == 1


def test_what_is_no_store_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with Valkey() as valkey:
        wrong = connected(valkey.url.replace(valkey.password, "s3cr3t-guess"))
        assert admitted(wrong, "wrong password", 9) == 5
    assert "s3cr3t" not in json.dumps([Line().format(record) for record in caplog.records])


def test_the_store_keeps_no_names_and_forgets_what_is_over(valkey: Valkey) -> None:
    import redis

    connected(valkey.url, "5/second").admit("https://issuer.example somebody@example.com")
    with redis.Redis.from_url(valkey.url) as client:
        keys = [key for key in client.scan_iter() if client.ttl(key) <= 2]
    assert keys
    assert all(re.fullmatch(rb"payment-service:rate:\d+/[0-9a-f]{64}", key) for key in keys)


def test_nothing_is_loaded_for_a_store_that_nobody_set_nor_before_the_first_answer() -> None:
    program = (
        "import sys; from shared.web.rates.limiter import Limiter; limiter = Limiter('5/hour', sys.argv[1]);"
        "limiter.admit('a'); before = {'limits', 'redis'} & set(sys.modules); limiter.connect();"
        "print(sorted(before), sorted({'limits', 'redis'} & set(sys.modules)))"
    )

    def loaded(url: str) -> str:
        command = [sys.executable, "-c", program, url]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=60).stdout

    assert loaded("") == "[] []\n"
    assert loaded("redis://127.0.0.1:1/0") == "[] ['limits', 'redis']\n"
