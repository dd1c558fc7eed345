"""Needs attention."""

from functions.console.desk import Desk
from functions.console.rendering import render
from shared.web.answers import Answer
from shared.web.call import Call


def attention(desk: Desk, call: Call) -> Answer:
    return render("attention.html", call)
