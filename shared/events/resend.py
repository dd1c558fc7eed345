"""Events that were refused for good, for an operator: `make events` lists them, `make events RESEND=…` sends them again."""

import argparse
import sys

from shared.platform import log
from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.settings import read_settings
from shared.platform.terminal import printable

# As many as a person reads.
MOST = 100
# Rows that one statement locks, so that no sweep waits long for them.
RESENT_TOGETHER = 1000
ALL = "all"


def list_set_aside(database: Database) -> list[str]:
    """One line for each event that was set aside, oldest first: its id, what it reports of which payment, since when, how often
    it was refused and with what words. Raises DatabaseUnavailable."""
    return [
        f"{row['event_id']}  {row['type']}  {row['subject']}  set aside {row['refused_at']:%Y-%m-%d %H:%M:%S%z},"
        f" refused {row['refusals']} times: {row['refusal']}"
        for row in database.run_again("set_aside_events", limit=MOST)
    ]


def resend(database: Database, which: str) -> int:
    """Has the next sweep send an event again that was set aside, by its id, or `all` of them; says how many. Raises
    DatabaseUnavailable."""
    if which != ALL:
        return len(database.run_again("resend_events", event_id=which, limit=1))
    count, together = 0, RESENT_TOGETHER
    while together == RESENT_TOGETHER:
        together = len(database.run_again("resend_events", event_id=None, limit=RESENT_TOGETHER))
        count += together
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="make events", description="Lists events that were refused for good.")
    parser.add_argument("--resend", metavar="ID", help="sends one of them again, or all")
    arguments = parser.parse_args()
    settings = read_settings()
    log.set_level(settings.log_level)
    log.set_cell(settings.cell_label)
    database = Database(settings)
    try:
        if arguments.resend:
            count = resend(database, arguments.resend)
            if not count:
                sys.exit(f"{arguments.resend} is no event that was set aside")
            print(f"{count} to be sent again by the next sweep")
        else:
            print("\n".join(map(printable, list_set_aside(database))) or "No event was set aside.")
    except DatabaseUnavailable as failure:
        sys.exit(f"the database does not answer: {failure}")


if __name__ == "__main__":
    main()
