"""A refund: the form, its confirmation, and what came of it."""

from functions.console.desk import Desk
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem


def form(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")


def confirm(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")


def refund(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")
