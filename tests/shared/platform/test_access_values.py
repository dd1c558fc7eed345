"""The settings of access: what is taken, and one clear line for what is not."""

import json
import re
from typing import Any

import pytest

from shared.platform.access_values import EventSenders, Issuer
from shared.platform.settings import SettingError, Settings

ONE = {"issuer": "https://id.example"}
TWO = {"issuer": "https://other.example", "audience": "taxi", "keys": "/etc/keys/jwks.json"}


def read(**settings: Any) -> Settings:
    """The settings, what is no text as JSON."""
    return Settings.read(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    )


def test_issuers_are_read_each_with_its_audience_and_where_its_keys_are() -> None:
    settings = read(AUTH_ISSUERS=[ONE, TWO])
    assert settings.auth_issuers == (
        Issuer("https://id.example", "", ""),
        Issuer("https://other.example", "taxi", "/etc/keys/jwks.json"),
    )
    assert settings.auth_audience == "payment-service"
    assert [issuer.has_a_file for issuer in settings.auth_issuers] == [False, True]


def test_subjects_and_senders_of_events_are_read() -> None:
    settings = read(
        AUTH_ISSUERS=[ONE],
        AUTH_SUBJECTS={"system:serviceaccount:rides:trip-service": "payments:write  payments:read"},
        AUTH_EVENTS={**TWO, "subjects": ["a", "b"]},
    )
    assert settings.auth_subjects == {"system:serviceaccount:rides:trip-service": {"payments:write", "payments:read"}}
    assert settings.auth_events == EventSenders(Issuer(TWO["issuer"], "taxi", "/etc/keys/jwks.json"), {"a", "b"})


WRONG: list[tuple[str, Any]] = [
    ("AUTH_ISSUERS", "https://id.example"),
    ("AUTH_ISSUERS", "[]"),
    ("AUTH_ISSUERS", "{}"),
    ("AUTH_ISSUERS", '[{"issuer": "https://id.example", "issuer": "https://b.example"}]'),
    ("AUTH_ISSUERS", "[" * 100_000),
    ("AUTH_ISSUERS", ["https://id.example"]),
    ("AUTH_ISSUERS", [{}]),
    ("AUTH_ISSUERS", [{"issuer": ""}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example", "audiences": "x"}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example", "audience": ""}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example", "audience": ["x"]}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example", "keys": "jwks.json"}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example", "keys": "http://id.example/jwks"}]),
    ("AUTH_ISSUERS", [{"issuer": "http://id.example"}]),
    ("AUTH_ISSUERS", [{"issuer": "id.example"}]),
    ("AUTH_ISSUERS", [{"issuer": "https://id.example/ a"}]),
    ("AUTH_ISSUERS", [ONE, ONE]),
    ("AUTH_AUDIENCE", ""),
    ("AUTH_AUDIENCE", "a b"),
    ("AUTH_SUBJECTS", ["a"]),
    ("AUTH_SUBJECTS", {"a": ["payments:write"]}),
    ("AUTH_SUBJECTS", {"a": "payments:delete"}),
    ("AUTH_SUBJECTS", {"": "payments:read"}),
    ("AUTH_SUBJECTS", {"a\n": "payments:read"}),
    ("AUTH_SUBJECTS", '{"a": "payments:read", "a": "payments:write"}'),
    ("AUTH_EVENTS", ONE),
    ("AUTH_EVENTS", {**ONE, "subjects": []}),
    ("AUTH_EVENTS", {**ONE, "subjects": "a"}),
    ("AUTH_EVENTS", {**ONE, "subjects": [""]}),
    ("AUTH_EVENTS", [ONE]),
    ("EVENT_TOKEN_FILE", "token"),
    ("EVENT_TOKEN_FILE", "/run/token\nother"),
    ("AUTH_ISSUERS", [{**ONE, "keys": "/keys\0"}]),
    ("AUTH_ISSUERS", [{**ONE, "keys": "/keys\nother"}]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: Any) -> None:
    with pytest.raises(SettingError) as wrong:
        read(**{"AUTH_ISSUERS": [ONE], name: value})
    assert re.fullmatch(rf"{name} must be [^\n]+", str(wrong.value))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"AUTH_SUBJECTS": {"a": "payments:read"}}, "AUTH_SUBJECTS needs AUTH_ISSUERS"),
        ({"AUTH_OPEN_KEYS": "a"}, "AUTH_OPEN_KEYS needs AUTH_ISSUERS"),
        ({"AUTH_ISSUERS": [ONE, TWO], "AUTH_SUBJECTS": {"a": "payments:read"}}, "AUTH_SUBJECTS must name the issuer"),
        (
            {"AUTH_ISSUERS": [ONE, TWO], "AUTH_OPEN_KEYS": "https://third.example a"},
            "AUTH_OPEN_KEYS must name the issuer",
        ),
        (
            {"AUTH_ISSUERS": [ONE], "AUTH_SUBJECTS": {"https://gone.example a": "payments:read"}},
            "AUTH_SUBJECTS must name the issuer",
        ),
        ({"AUTH_ISSUERS": [ONE], "AUTH_SUBJECTS": {"a ": "payments:read"}}, "AUTH_SUBJECTS must name the issuer"),
    ],
)
def test_settings_that_would_open_a_door_stop_the_start(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingError, match=f"^{line}"):
        read(**settings)


def test_with_several_issuers_a_subject_is_named_with_its_own() -> None:
    settings = read(AUTH_ISSUERS=[ONE, TWO], AUTH_SUBJECTS={"https://id.example a": "metrics:read"})
    assert settings.auth_subjects == {"https://id.example a": {"metrics:read"}}


@pytest.mark.parametrize("here", ["http://localhost:8080/jwks", "http://127.0.0.1:8080/jwks"])
def test_keys_may_come_unprotected_from_this_machine(here: str) -> None:
    assert read(AUTH_ISSUERS=[{**ONE, "keys": here}]).auth_issuers[0].keys == here


def test_keys_that_are_waited_for_count_as_time_of_a_request() -> None:
    longest = {"GATEWAY_TIMEOUT": "21.5", "IDEMPOTENCY_LOCK_TIMEOUT": "60"}
    assert Settings.read(longest)
    with pytest.raises(SettingError, match="the front door waits"):
        read(AUTH_ISSUERS=[ONE], **longest)
