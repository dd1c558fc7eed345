"""Settling by hand: what `make pending SETTLE` does, with the same entry in the audit trail."""

from functions.console.desk import Desk
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem


def form(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")


def settle(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")
