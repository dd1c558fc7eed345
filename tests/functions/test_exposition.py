"""The figures of each function at its METRICS_PORT, asked of real processes."""

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from local.ports import free, pick
from tests.e2e.service import await_that
from tests.functions.test_metrics import PROMETHEUS_3
from tests.support.functions import Functions

HOST = "127.0.0.1"
NOWHERE = "http://127.0.0.1:1"


class Scraped(Functions):
    """Functions whose own figures are at a port each."""

    def __init__(self, *names: str) -> None:
        super().__init__(names, {"DB_HOST": HOST, "DB_PORT": "1", "TRIP_SERVICE_URL": NOWHERE, "RATE_LIMIT": ""})
        self.at = dict(zip(names, pick(len(names)), strict=True))

    def _environment(self, name: str) -> dict[str, str]:
        return self.environment | {"METRICS_PORT": f"{HOST}:{self.at[name]}"}

    def ask(self, name: str, path: str, method: str = "GET", **options: Any) -> int:
        return urllib3.request(method, self.url(name) + path, retries=False, timeout=10, **options).status

    def scrape(self, name: str, path: str = "/metrics", accept: str = "", method: str = "GET") -> Any:
        url = f"http://{HOST}:{self.at[name]}{path}"
        return urllib3.request(method, url, headers={"Accept": accept}, retries=False, timeout=10)

    def figure(self, name: str, figure: str, **labels: str) -> float | None:
        """What one series says, of this function; None where there is none."""
        families = prometheus_text(self.scrape(name).data.decode())
        wanted = {"function": name, **labels}
        found = [
            each.value for family in families for each in family.samples if (each.name, each.labels) == (figure, wanted)
        ]
        return found[0] if found else None


@pytest.fixture(scope="module")
def functions() -> Iterator[Scraped]:
    with Scraped("create_payment", "notify") as running:
        for name, port in running.at.items():
            await_that(lambda port=port: not free(port), f"{name} listens for scrapes")
        yield running


def test_requests_are_counted_by_route_and_never_by_path(functions: Scraped) -> None:
    for number in range(3):
        assert functions.ask("notify", f"/somewhere/{number}") == 404
    assert functions.ask("notify", "/", "POST", body=b"none of ours") == 400
    assert functions.ask("notify", "/", "BREW") in (400, 405)
    of = {"method": "GET", "route": "none"}
    assert functions.figure("notify", "payment_function_requests_total", **of, status="404") == 3
    assert functions.figure("notify", "payment_function_request_seconds_count", **of) == 3
    of = {"method": "POST", "route": "/"}
    assert functions.figure("notify", "payment_function_requests_total", **of, status="400") == 1
    assert functions.figure("notify", "payment_function_request_seconds_bucket", **of, le="+Inf") == 1
    text = functions.scrape("notify").data.decode()
    assert "somewhere" not in text
    assert "BREW" not in text


def test_what_waits_for_the_database_is_seen(functions: Scraped) -> None:
    payment = {"trip_id": 1, "method": "CARD", "amount": 5}
    assert functions.ask("create_payment", "/payments", "POST", json=payment, headers={"Idempotency-Key": "a"}) == 503
    assert (functions.figure("create_payment", "payment_pool_wait_seconds_count", outcome="refused") or 0) >= 1
    assert functions.figure("create_payment", "payment_pool_size") == 10
    assert functions.figure("create_payment", "payment_pool_connections", state="in_use") == 0
    assert functions.figure("notify", "payment_pool_size") is None


def test_a_scrape_gets_the_format_that_it_asks_for(functions: Scraped) -> None:
    plain = functions.scrape("notify")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    asked = functions.scrape("notify", accept=PROMETHEUS_3)
    assert asked.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.data.endswith(b"# EOF\n")
    assert "payment_function_requests" in {family.name for family in openmetrics(asked.data.decode())}


def test_nothing_but_the_figures_is_there(functions: Scraped) -> None:
    assert functions.scrape("notify", "/").status == 404
    assert functions.scrape("notify", "/healthz").status == 404
    assert functions.scrape("notify", method="POST").status == 501


def test_a_scrape_is_no_request_and_no_line_in_the_log(functions: Scraped) -> None:
    before = functions.log("notify")
    functions.scrape("notify")
    functions.scrape("notify", "/other")
    assert functions.scrape("notify", accept="text/plain; version=x.y").status == 400
    assert functions.log("notify") == before
