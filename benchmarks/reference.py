"""What PostgreSQL alone makes of a charge: pgbench, with the statements that the function runs, taken from sql/statements.

Simple protocol, so each is parsed and planned as when it is sent as text. A charge is look, claim and settle, each a commit of
its own; what the publisher notes of events that the sink took, it notes of many at once (those of 50 ms), so a client notes its
last sixteen together.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from psycopg2.extensions import QuotedString

from benchmarks.measured import NotMeasured
from local.postgres import Postgres
from shared.platform.database.statements import statement
from tests.sql.rows import CLAIM

BATCH = 16
# Of the nth charge of a client: what pgbench's own functions make of its number, so that it is known again later.
REFERENCE = "PAY-:client_id-:{}"
NUMBER = "abs(hash(:n - {}, :run + :client_id))"
EVENTS = [f"'{REFERENCE.format(f'm{back}')}.succeeded'" for back in range(BATCH)]


class Expression(str):
    """Written into a statement as it is."""


# What a charge is known by, and what the claim gave; everything else is the same for all.
OWN: Mapping[str, Any] = {
    "key_hash": Expression(r"'\x:key1:key2:key3:key4'::bytea"),
    "reference": Expression(f"'{REFERENCE.format('m0')}'"),
    "correlation_id": Expression("'bench-:key1'"),
    "payment_id": Expression(":payment_id"),
    "event_ids": Expression(f"ARRAY[{', '.join(EVENTS)}]"),
    "status": "SUCCESS",
    "failure_code": None,
    "gateway_id": Expression("'sim_:key1'"),
    "asked_ms": 0,
    "amount": Decimal("150.00"),
    "key_ttl": 86400,
    "lease_seconds": 25,
}
# Sixteen digits each, which make a hash of 32 bytes: psycopg2 sends the hash in hexadecimal too.
SETUP = [f"\\set key{n} random(1000000000000000, 9999999999999999)" for n in (1, 2, 3, 4)]
_runs = count()
CHARGE = ("look", "claim_payment", "settle_payment")


def bound(name: str) -> str:
    """The text of a named statement with pgbench's variables and constants in place of its parameters. Raises KeyError for a
    parameter that no charge has."""
    parameters = {**CLAIM, **OWN}
    return re.sub(r"%\((\w+)\)s", lambda found: _literal(parameters[found[1]]), statement(name)).replace("%%", "%")


def _literal(value: Any) -> str:
    match value:
        case Expression():
            return str(value)
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case str():
            return QuotedString(value).getquoted().decode()
        case _:
            return str(value)


def script() -> str:
    """One charge, as pgbench runs it over and over."""
    look, claim, settle = (bound(name) for name in CHARGE)
    lines = [*SETUP, r"\set n :n + 1", rf"\set m0 {NUMBER.format(0)}", f"{look};", claim, r"\gset", f"{settle};"]
    earlier = [rf"\set m{back} {NUMBER.format(back)}" for back in range(1, BATCH)]
    lines += [rf"\if :n % {BATCH} = 0", *earlier, f"{bound('mark_delivered')};", r"\endif"]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Ran:
    """What one run of pgbench did."""

    charges: int
    rate: float


def run(
    server: Postgres, settings: Mapping[str, str], clients: int, *, seconds: float = 0, each: int = 0, **options: str
) -> Ran:
    """Charges for so many seconds, or so many times for each client, over as many connections as clients. `settings` are the
    DB_* of the functions' role, `options` PostgreSQL's own for its sessions. Raises NotMeasured where a statement fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(script())
        file.flush()
        how_long = ["--transactions", str(each)] if each else ["--time", f"{seconds:.0f}"]
        variables = ["--define", "n=0", "--define", f"run={os.getpid() * 1000 + next(_runs)}"]
        command = [str(server.bin / "pgbench"), "--no-vacuum", "--protocol", "simple", "--client", str(clients)]
        command += [*how_long, *variables, "--file", file.name, settings["DB_NAME"]]
        done = subprocess.run(command, env=_environment(settings, options), capture_output=True, text=True, check=False)
    if done.returncode:
        wrong = [line for line in done.stderr.splitlines() if "ERROR:" in line] or done.stderr.splitlines()[-1:]
        raise NotMeasured(f"pgbench: {' '.join(wrong[:1])}")
    return Ran(int(_number("actually processed", done.stdout)), float(_number("tps =", done.stdout)))


def _number(name: str, text: str) -> str:
    found = re.search(rf"{name}:? (\d[\d.]*)", text)
    if not found:
        raise NotMeasured(f"pgbench told no {name}")
    return found[1]


def _environment(settings: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    where = {"PGHOST": settings["DB_HOST"], "PGPORT": settings["DB_PORT"]}
    who = {"PGUSER": settings["DB_USER"], "PGPASSWORD": settings["DB_PASS"]}
    asked = " ".join(f"-c {name}={value}" for name, value in options.items())
    return {"PATH": os.defpath, "PGOPTIONS": asked, **where, **who}
