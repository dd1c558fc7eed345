"""A part of a library waits for its first use."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.place import CHECKOUT
from tests.fakes.issuer import SUBJECT, Issuer

PUT_OFF = """
import sys
from shared.platform.put_off import put_off
put_off("email.mime.text")
from email.mime import text
print("email.mime.nonmultipart" in sys.modules)
print(text.MIMEText("said").get_payload(), "email.mime.nonmultipart" in sys.modules)
put_off("email.mime.text")
put_off("email.mime.nothing")
print(sys.modules["email.mime.text"] is text, "email.mime.nothing" in sys.modules)
"""
CHECKED = """
import os, sys
from shared.platform.settings import read_settings
from shared.web.access.guard import guard_of
guard = guard_of("get_payment", read_settings())
print(guard.caller(os.environ["SENT"]).subject, "cryptography.x509.name" in sys.modules)
"""


def said(program: str, **settings: str) -> list[str]:
    command, environment = [sys.executable, "-c", program], {**os.environ, **settings}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.split()


def test_what_is_put_off_is_loaded_when_it_is_used_and_not_before() -> None:
    assert said(PUT_OFF) == ["False", "said", "True", "True", "False"]


def test_a_function_that_checks_tokens_loads_nothing_for_certificates(tmp_path: Path) -> None:
    with Issuer() as issuer:
        issuers = json.dumps([{"issuer": issuer.url, "keys": str(issuer.write(tmp_path / "jwks.json"))}])
        assert said(CHECKED, AUTH_ISSUERS=issuers, SENT=f"Bearer {issuer.token()}") == [SUBJECT, "False"]
