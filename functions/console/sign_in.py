"""Signing in and out, and what whoever has not signed in is told."""

import re
from urllib.parse import quote, unquote, urlencode

from functions.console.desk import Desk
from functions.console.rendering import render
from functions.console.sign_in_cookies import end_of_session
from shared.platform.log import log
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem

HOME = "/console"
# Characters of an address of ours: a cookie has room for it.
LONGEST = 1024
NOT_BEGUN_HERE = "This sign-in was not begun in this browser, or more than ten minutes ago."
# That a page of our own has loaded the address: a browser sends strict same-site cookies only then.
AGAIN = ("again", "1")


def sign_in(desk: Desk, call: Call) -> Answer:
    """Sends the browser to the provider."""
    way, goes_on_to = desk.entrance.sign_in(call), own_address(dict(call.query).get("next", ""))
    if call.open or (way and way.session(call)):
        return _go_on(call, goes_on_to)
    if way is None:
        return closed(call)
    if call.headers.get("Sec-Fetch-Site") == "cross-site" and AGAIN not in call.query:
        return _once_more(call)  # by a link elsewhere: there may be a session after all
    from functions.console.sign_in_provider import SignInFailed

    try:
        address, attempt = way.provider.question(goes_on_to)
    except SignInFailed as failed:
        return _failed(call, failed.status, failed.told, failed.why)
    return see_other(address, way.cookies.of_attempt(attempt))


def signed_in(desk: Desk, call: Call) -> Answer:
    """Takes what the browser brings from the provider, and begins the session."""
    way = desk.entrance.sign_in(call)
    if call.open:
        return _go_on(call, HOME)
    if way is None:
        return closed(call)
    attempt = way.cookies.attempt(call.cookies, dict(call.query).get("state", ""))
    if attempt is None:
        if AGAIN not in call.query:
            return _once_more(call)
        return _go_on(call, HOME) if way.session(call) else _failed(call, 400, NOT_BEGUN_HERE, "no such attempt")
    from functions.console.sign_in_provider import SignInFailed

    try:
        session = way.provider.session([each for each in call.query if each != AGAIN], attempt)
    except SignInFailed as failed:
        return _failed(call, failed.status, failed.told, failed.why, way.cookies.end_of_attempt(attempt))
    log.info("signed in", extra={"caller": f"{session.issuer} {session.subject}"})
    return _go_on(call, attempt.goes_on_to, way.cookies.of_session(session), way.cookies.end_of_attempt(attempt))


def sign_out(desk: Desk, call: Call) -> Answer:
    """Ends the session of this browser, and says where the provider's ends."""
    if call.open:
        return _go_on(call, HOME)
    way, elsewhere = desk.entrance.sign_in(call), None
    if way:
        from functions.console.sign_in_provider import SignInFailed

        try:
            elsewhere = way.provider.end_of_session()
        except SignInFailed as failed:
            log.warning("sign-in failed", extra={"why": failed.why})
    return render("signed_out.html", call, elsewhere=elsewhere)._replace(cookies=(end_of_session(call.base),))


def unknown(desk: Desk, problem: Problem, call: Call) -> Answer:
    """What whoever is not known is told: where to sign in."""
    if call.headers.get("HX-Request"):
        return Answer(problem.status, "", "text/html; charset=utf-8", {"HX-Refresh": "true"})
    way = desk.entrance.sign_in(call)
    if way is None:
        return closed(call)
    if call.method not in ("GET", "HEAD"):
        return render("sign_in.html", call, status=problem.status, told="You are not signed in, and nothing was done.")
    query = f"?{urlencode(call.query)}" if call.query else ""
    asked = urlencode({"next": quote(call.path) + query})
    return see_other(f"{way.client.url}{call.base}{HOME}/sign-in?{asked}")


def closed(call: Call) -> Answer:
    """Where nobody can sign in, and the service is not open either."""
    return render("closed.html", call, status=401)


def see_other(address: str, *cookies: str) -> Answer:
    return Answer(303, "", "text/html; charset=utf-8", {"Location": address}, cookies=cookies)


def _go_on(call: Call, address: str, *cookies: str) -> Answer:
    return see_other(f"{call.base}{address}", *cookies)


def own_address(text: str) -> str:
    """The address, if it is one of a page of the console, and the console's first page otherwise."""
    path = unquote(text.partition("?")[0])
    ours = re.fullmatch(r"/console(/[!-~]*)?", path) and re.fullmatch(r"[!-~]+", text)
    strange = {".", ".."} & set(path.split("/")) or "\\" in path or path.startswith("/console/sign")
    return text if ours and not strange and len(text) <= LONGEST else HOME


def _once_more(call: Call) -> Answer:
    return render("once_more.html", call, address=f"{call.path}?{urlencode([*call.query, AGAIN])}")


def _failed(call: Call, status: int, told: str, why: str, *cookies: str) -> Answer:
    log.warning("sign-in failed", extra={"why": why})
    return render("sign_in.html", call, status=status, told=told)._replace(cookies=cookies)
