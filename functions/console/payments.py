"""Payments: search, filters, and a CSV of what is filtered."""

from functions.console.desk import Desk
from functions.console.rendering import render
from shared.web.answers import Answer
from shared.web.call import Call


def listing(desk: Desk, call: Call) -> Answer:
    return render("payments.html", call)


def csv(desk: Desk, call: Call) -> Answer:
    return Answer(200, "", "text/csv; charset=utf-8")
