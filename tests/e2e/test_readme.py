"""The curl lines of the README and of docs/api.md, run as they stand there (but for the port), with the answers promised."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.place import CHECKOUT
from tests.e2e.service import Service

README = CHECKOUT / "README.md"
PAGES = (README, CHECKOUT / "docs" / "api.md")
ADDRESS = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):8082")


@dataclass(frozen=True)
class Example:
    """A command of a page, and the answer that the page shows under it, if any."""

    command: str
    promised: str


def examples(text: str) -> list[Example]:
    """The curl commands in fenced blocks, in order. A `$ ` before a command is the prompt; what follows a command in its
    block is its answer, and a block of JSON right after a block is the answer of its first command."""
    found: list[Example] = []
    first = 0
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language in ("bash", "console", "sh", "shell"):
            joined, first = block.replace("\\\n", " "), len(found)
            for line in joined.splitlines():
                command = line.removeprefix("$ ").strip()
                if command.startswith("curl "):
                    found.append(Example(command, ""))
                elif found and language == "console":
                    found[-1] = Example(found[-1].command, found[-1].promised + line + "\n")
        elif language == "json" and first < len(found):
            found[first] = Example(found[first].command, block)
    return found


@pytest.fixture(scope="module")
def told() -> list[Example]:
    return [example for page in PAGES for example in examples(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def answers(service: Service, told: list[Example]) -> dict[str, str]:
    """What each command printed, run in order as a newcomer would who has just started the service."""
    payment_id = ""
    printed: dict[str, str] = {}
    for example in told:
        command = ADDRESS.sub(f"http://127.0.0.1:{service.port}", example.command)
        # The pages show the first payment of a fresh start; here others may have come before.
        command = re.sub(r"/payments/\d+", f"/payments/{payment_id or 1}", command)
        # Where the service was started from.
        ran = subprocess.run(
            ["bash", "-c", command], cwd=service.folder, capture_output=True, text=True, timeout=30, check=False
        )
        assert ran.returncode == 0, (command, ran.stderr)
        printed[example.command] = ran.stdout
        made = re.search(r'"payment_id"\s*:\s*(\d+)', ran.stdout)
        if made and not payment_id:
            payment_id = made[1]
    return printed


def of(answers: dict[str, str], *words: str) -> Any:
    """The JSON that the first command with all these words printed."""
    command = next(command for command in answers if all(word in command for word in words))
    text = answers[command]
    return json.loads(text[text.index("{") :])


def test_health(answers: dict[str, str]) -> None:
    assert of(answers, "/health")["status"] == "UP"


def test_the_payment_of_trip_101_by_card(answers: dict[str, str]) -> None:
    payment = of(answers, "test-payment-001", "101", "CARD", "150.00")
    assert {
        "trip_id": 101,
        "amount": 150.0,
        "method": "CARD",
        "status": "SUCCESS",
        "fare": None,
    }.items() <= payment.items()


def test_the_trip_that_charges_by_itself(answers: dict[str, str]) -> None:
    assert of(answers, "/complete")["answered"] == 204
    [payment] = of(answers, "trip_id=998000101")["data"]
    assert (payment["trip_id"], payment["method"], payment["status"]) == (998_000_101, "UPI", "SUCCESS")


def test_the_refund_at_a_customers_request(answers: dict[str, str]) -> None:
    refund = of(answers, "/refunds", "50.00", "Customer request")
    assert (refund["refund_amount"], refund["remaining_amount"], refund["reason"]) == (50, 100, "Customer request")


def test_the_totals(answers: dict[str, str]) -> None:
    assert of(answers, "/metrics")["payments_by_status"]["SUCCESS"] > 0


def test_every_answer_that_is_shown_has_the_fields_of_the_real_one(
    told: list[Example], answers: dict[str, str]
) -> None:
    compared = 0
    for example in told:
        promised, real = example.promised, answers[example.command]
        if "{" in promised and "{" in real:
            shown = json.loads(promised[promised.index("{") :])
            assert list(shown) == list(json.loads(real[real.index("{") :])), example.command
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```console\n$ curl -s localhost:8082/health\n{}\n```\n", [Example("curl -s localhost:8082/health", "{}\n")]),
        ("```bash\ncurl a \\\n  -d b\n```\nThis says:\n```json\n{}\n```\n", [Example("curl a    -d b", "{}\n")]),
        ("```bash\nmake run\n```\n`curl x`\n", []),
    ],
)
def test_commands_and_answers_are_found_in_the_blocks(text: str, found: list[Example]) -> None:
    assert examples(text) == found


def test_the_readme_is_where_it_belongs() -> None:
    assert Path(README).is_file()
