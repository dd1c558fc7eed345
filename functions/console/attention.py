"""Needs attention: what is pending or undelivered for too long, declines that rise, and differences that were found."""

from functions.console.desk import Desk
from functions.console.permitted import may
from functions.console.reconciliation import time_of
from functions.console.rendering import is_fragment, render
from shared.reading.attention import MOST, MOST_COUNTED, count_attention, read_attention
from shared.web.answers import Answer
from shared.web.call import Call


def attention(desk: Desk, call: Call) -> Answer:
    words = desk.words
    return render(
        "attention_found.html" if is_fragment(call) else "attention.html",
        call,
        words=words,
        found=read_attention(desk.deps.database),
        most=MOST,
        most_counted=MOST_COUNTED,
        time_of=lambda row: time_of(row, words),
        may_settle=may(call, "payments:settle"),
        sends_events=bool(desk.settings.k_sink),
    )


def count(desk: Desk, call: Call) -> Answer:
    """The number beside the page's name, which a page loads when it is shown: no other page waits for it."""
    counted = count_attention(desk.deps.database)
    return render("attention_count.html", call, count=min(counted, MOST_COUNTED), most=MOST_COUNTED)
