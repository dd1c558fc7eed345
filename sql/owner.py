"""The owner's connection to the database: for migrations and the seed, never for a request."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import connection

from shared.platform.settings import Settings, read_settings

FINAL = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")

# A migration reads and writes text in UTF-8 whatever the environment says, and never on a standby.
CONNECTION = {"client_encoding": "UTF8", "target_session_attrs": "read-write"}


class DatabaseUnavailableError(Exception):
    """The database gave no connection; the message is one line, with its address and no password."""


class UnsuitableDatabaseError(DatabaseUnavailableError):
    """The database answers and will not do; the message is one line."""


def connect(environment: Mapping[str, str], wait: float = 30, **other: str) -> connection:
    """A connection in autocommit mode to the database that `environment` names (DB_*), without a statement time-out.

    Waits at most `wait` seconds for a database that is still starting, then raises DatabaseUnavailableError; at once where
    waiting would not help. `other` replaces parameters, such as `user`.
    """
    settings = Settings.read(environment)
    parameters: dict[str, Any] = {
        "host": settings.db_host,
        "port": str(settings.db_port),
        "dbname": settings.db_name,
        "user": settings.db_user,
        "password": settings.db_pass,
        "connect_timeout": str(max(2, round(settings.db_connect_timeout))),
        **CONNECTION,
        **other,
    }
    deadline = time.monotonic() + wait
    while True:
        try:
            opened: connection = psycopg2.connect(**parameters)
            break
        except psycopg2.OperationalError as refused:
            reason = " ".join(str(refused).split())
            if time.monotonic() >= deadline or any(words in reason for words in FINAL):
                where = f"{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
                raise DatabaseUnavailableError(f"The database {where} gives no connection: {reason}") from None
            time.sleep(0.05)
    opened.autocommit = True
    with opened.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    return opened


def run(job: Callable[[Mapping[str, str]], str]) -> None:
    """Runs a job of the owner's from the command line: prints what it did, or one clear line and exit status 1."""
    read_settings()
    try:
        print(job(os.environ), flush=True)
    except (DatabaseUnavailableError, psycopg2.Error) as refused:
        sys.exit(" ".join(str(refused).split()))
