"""The console: pages for whoever is on call, answers riders, or does the accounts."""

from functools import partial

import functions_framework

from functions.console.desk import Desk
from functions.console.pages import answer, problem_page
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
desk = Desk.of(settings)


@functions_framework.http
@door("console", settings, desk.deps.database, shown=partial(problem_page, desk), known=desk.entrance.known)
def console(call: Call) -> Answer:
    return answer(desk, call)
