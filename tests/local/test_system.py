"""Which programs a start of the whole service runs."""

import json
from pathlib import Path

import pytest

from local import system
from tests.fakes.issuer import Issuer

PORTS = {name: 1000 + number for number, name in enumerate([*system.FUNCTIONS, *system.NEIGHBOURS])}
SCRAPED = {name: 2000 + number for number, name in enumerate(system.SCRAPED)}


def _started(environment: dict[str, str]) -> set[str]:
    return {program.name for program in system.programs(environment, None, 1, PORTS, SCRAPED)}


def test_keys_are_looked_after_where_there_are_issuers_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "RUN", tmp_path)
    with Issuer() as issuer:
        named = json.dumps([{"issuer": issuer.url, "keys": str(issuer.write(tmp_path / "jwks.json"))}])
        assert _started({"AUTH_ISSUERS": named}) - _started({}) == {"front_door_access"}
