"""POST /webhooks/{gateway}, as far as the door."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.gateways.stripe.webhook import HEADER, signed
from shared.web.call import LARGEST_BODY
from tests.functions.conftest import Served

SECRET = "whsec_s3cr3ts3cr3t"
EVENT = json.dumps({"id": "evt_1", "type": "refund.updated", "data": {"object": {"id": "re_1"}}}).encode()
OTHER = b'{"type": "customer.created"}'


@pytest.fixture
def served(serve: Any) -> Iterator[Served]:
    """With Stripe's settings, and a database that does not answer."""
    served: Served = serve("gateway_webhook")
    module, settings = served.module, served.module.deps.settings
    deps = module.deps
    module.deps = deps._replace(settings=replace(settings, stripe_api_key="sk_test_x", stripe_webhook_secret=(SECRET,)))
    yield served
    module.deps = deps


def stamped(body: bytes) -> dict[str, str]:
    return {HEADER: signed(SECRET, int(time.time()), body)}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", "application/xml", "", "x"])
@pytest.mark.parametrize("body", [OTHER, b"\xef\xbb\xbf" + OTHER])
def test_who_signed_it_counts_and_not_what_it_is_called(served: Served, body: bytes, content_type: str) -> None:
    answer = served.ask("POST", "/webhooks/stripe", data=body, headers=stamped(body), content_type=content_type)
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/v1/webhooks/stripe", "/webhooks/stripe/"])
def test_what_nobody_signed_is_refused(served: Served, problem: Any, path: str) -> None:
    problem(served.ask("POST", path, data=EVENT), 400, "invalid_signature")
    problem(served.ask("POST", path, data=EVENT, headers=stamped(OTHER)), 400, "invalid_signature")


def test_what_cannot_be_kept_is_to_be_sent_again(served: Served, problem: Any) -> None:
    answer = served.ask("POST", "/webhooks/stripe", data=EVENT, headers=stamped(EVENT))
    problem(answer, 503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_gateway_that_nobody_knows_is_nowhere(served: Served, problem: Any) -> None:
    problem(served.ask("POST", "/webhooks/paypal", data=EVENT, headers=stamped(EVENT)), 404, "not_found")
    problem(served.ask("GET", "/webhooks/stripe"), 405, "method_not_allowed")


def test_a_webhook_is_as_large_as_any_request_and_not_compressed(served: Served, problem: Any) -> None:
    large = OTHER + b" " * (LARGEST_BODY - len(OTHER))
    assert served.ask("POST", "/webhooks/stripe", data=large, headers=stamped(large)).status_code == 204
    larger = large + b" "
    problem(served.ask("POST", "/webhooks/stripe", data=larger, headers=stamped(larger)), 413, "payload_too_large")
    packed = {"Content-Encoding": "gzip", **stamped(OTHER)}
    problem(served.ask("POST", "/webhooks/stripe", data=OTHER, headers=packed), 415, "unsupported_media_type")


def test_its_line_in_the_log_says_what_it_was_about(served: Served, log_lines: Any) -> None:
    served.ask("POST", "/webhooks/stripe", data=OTHER, headers=stamped(OTHER))
    [line] = [line for line in log_lines() if line["message"] == "request"]
    assert (line["status"], line["outcome"]) == (204, "ignored")
