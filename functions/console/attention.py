"""Needs attention: what is pending or undelivered for too long, declines that rise, and differences that were found."""

from functions.console.desk import Desk
from functions.console.payments_form import words_of
from functions.console.rendering import render
from shared.reading.attention import LATE, MOST, MOST_COUNTED, count_attention, read_attention
from shared.web.answers import Answer
from shared.web.call import Call


def attention(desk: Desk, call: Call) -> Answer:
    is_live = call.headers.get("HX-Request") == "true"
    return render(
        "attention_found.html" if is_live else "attention.html",
        call,
        words=words_of(desk.settings),
        found=read_attention(desk.deps.database),
        most=MOST,
        late=LATE,
        may_settle=call.caller is None or "payments:settle" in call.caller.permissions,
        sends_events=bool(desk.settings.k_sink),
    )


def count(desk: Desk, call: Call) -> Answer:
    """The number beside the page's name, which a page loads when it is shown: no other page waits for it."""
    counted = count_attention(desk.deps.database)
    return render("attention_count.html", call, count=min(counted, MOST_COUNTED), most=MOST_COUNTED)
