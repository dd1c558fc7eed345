"""A function of one of several cells that is led to another cell's database does not start."""

import threading
import time

import psycopg2

from shared.platform.database.cell import ANOTHER_CELL, end_at_once
from shared.platform.database.connection import Connection, open_connection
from shared.platform.settings import Settings


def of_own_cell(settings: Settings) -> Connection | None:
    """A connection to a database that is this cell's. Ends this process with one clear line where it is another cell's. None
    where it does not answer at once, and the first statement will find out: a start waits for the database no longer than
    DB_CONNECT_TIMEOUT, seconds, or for the two that `open_connection` takes at least.
    """
    deadline = time.monotonic() + settings.db_connect_timeout
    try:
        connection = open_connection(settings, deadline)
    except (psycopg2.Error, OSError):
        return None
    too_long = threading.Timer(max(0.0, deadline - time.monotonic()), connection.cut)
    too_long.start()
    try:
        with connection.cursor() as cursor:
            cursor.execute(connection.preface)
        connection.preface = ""
        return connection
    except psycopg2.Error as refusal:
        if refusal.pgcode == ANOTHER_CELL:
            end_at_once(refusal.diag.message_primary or "")
        connection.close()
        return None
    finally:
        too_long.cancel()
        too_long.join()
