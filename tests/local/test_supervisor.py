"""What the process manager is told, and what it makes of what its processes say."""

import json
import shlex
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import UnhosedConfigParser

from local.supervisor import Program, configuration
from local.supervisord import line

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12), min_size=1)


def understood(program: Program, environment: dict[str, str]) -> list[str]:
    """The command as supervisord reads it from the configuration."""
    parser = UnhosedConfigParser()
    parser.read_string(configuration([program], environment))
    return shlex.split(parser.saneget(f"program:{program.name}", "command"))


@given(words=WORDS)
def test_a_command_is_run_as_it_is_meant_whatever_is_in_it(words: list[str]) -> None:
    command = ["/bin/program", *words]
    assert understood(Program("any", command, "functions", 1), {}) == command


def test_a_program_is_run_without_what_is_not_its_own() -> None:
    environment = {"DB_PASS": "p", "STRIPE_API_KEY": "k", "LOG_LEVEL": "INFO", "PGSSLMODE": "require"}
    reads = understood(Program("health", ["program"], "functions", 1), environment)
    assert reads[0].endswith("/env")
    assert reads[1:] == ["-u", "STRIPE_API_KEY", "program"]
    tells = understood(Program("notify", ["program"], "functions", 1), environment)
    assert tells[1:] == ["-u", "DB_PASS", "-u", "PGSSLMODE", "-u", "STRIPE_API_KEY", "program"]
    assert understood(Program("sweep", ["program"], "functions", 1), environment) == ["program"]


def said(text: str) -> dict[str, Any]:
    written = line(text, "any")
    assert written.endswith("\n")
    assert len(written.splitlines()) == 1
    found: dict[str, Any] = json.loads(written)
    return found


@given(
    text=st.text(
        st.characters(exclude_categories=["Zl", "Zp", "Cs"], exclude_characters="\n\r\v\f\x1c\x1d\x1e\x85")
    ).filter(
        lambda text: not text.lstrip().startswith("{")  # below
    )
)
def test_whatever_a_process_says_is_json(text: str) -> None:
    found = said(text)
    assert {"timestamp", "level", "message", "correlation_id", "function"} <= set(found)
    assert found["message"] == text


def test_json_is_kept_as_it_is() -> None:
    assert line('{"message":  "m"}', "any") == '{"message":  "m"}\n'
    for other in ("[1]", "7", '"text"', '{"cut": ', "[" * 100_000):
        assert said(other)["message"] == other


def test_how_bad_it_is_is_taken_from_the_words() -> None:
    levels = {
        "2026-11-25 UTC [7] FATAL:  no": "ERROR",
        "[warning][main] no": "WARNING",
        "LOG:  ready": "INFO",
        "ValueError: no": "INFO",
    }
    for text, level in levels.items():
        assert said(text)["level"] == level
