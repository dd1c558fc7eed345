"""What tokens cost: a start that checks one beside one of the open service, and a request with one beside one without."""

import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks import requests
from benchmarks.measured import Measured, Row, Spread, at_most
from benchmarks.measures.cold_start import Start, in_words, ratio, refundable, settings, start
from benchmarks.serving import InTheImage
from benchmarks.stage import Stage
from shared.rules.permissions import PERMISSIONS
from tests.fakes.issuer import Issuer

FUNCTIONS = ("create_payment", "create_refund", "get_payment", "metrics")
ROUNDS = 20
REQUESTS = 400
GOAL = at_most(1.15)


def measure(stage: Stage) -> Measured:
    """Twenty starts of each, after one that warms the disk, open and guarded by turns; then a read with and without a token.
    The keys are in a file, as on Kubernetes: nobody is asked for them."""
    with ExitStack() as ending:
        place = ending.enter_context(stage.databases.copy())
        issuer = ending.enter_context(Issuer())
        payment_id = refundable(stage, place)
        plain = InTheImage(stage.image, FUNCTIONS, settings(stage, place))
        guarded = InTheImage(stage.image, FUNCTIONS, {**settings(stage, place), **_guarded(issuer, stage.folder)})
        ending.callback(plain.stop)
        ending.callback(guarded.stop)
        token = {"Authorization": f"Bearer {issuer.token(scope=' '.join(PERMISSIONS))}"}
        rows = [_starts(plain, guarded, name, payment_id, token) for name in FUNCTIONS]
        return Measured([*rows, _requests(plain, guarded, payment_id, token)])


def _guarded(issuer: Issuer, folder: Path) -> dict[str, str]:
    keys = issuer.write(folder / "jwks.json")
    return {"AUTH_ISSUERS": json.dumps([{"issuer": issuer.url, "keys": str(keys)}])}


def _starts(plain: InTheImage, guarded: InTheImage, name: str, payment_id: int, token: dict[str, str]) -> Row:
    pairs: list[tuple[Start, Start]] = []
    for turn in range(ROUNDS + 1):
        one = start(plain, name, requests.good(name, payment_id))
        other = start(guarded, name, _with(requests.good(name, payment_id), token))
        if turn:
            pairs.append((one, other))
    beside, ours = [one for one, _ in pairs], [other for _, other in pairs]
    told = in_words(ours), f"open {in_words(beside)}"
    return Row(f"cold start with a token, {name}", ratio(ours, beside), "×", *told, GOAL)


def _requests(plain: InTheImage, guarded: InTheImage, payment_id: int, token: dict[str, str]) -> Row:
    """A read, one after the other: the milliseconds more of one with a token."""
    request = requests.good("get_payment", payment_id)
    sides = {}
    for name, functions, asked in (("open", plain, request), ("guarded", guarded, _with(request, token))):
        functions.start("get_payment")
        functions.wait_until_ready("get_payment")
        sides[name] = requests.connection(functions.ports["get_payment"]), asked
    requests.by_turns(sides, REQUESTS // 10)
    took = requests.by_turns(sides, REQUESTS)
    for connection, _ in sides.values():
        connection.close()
    more = took["guarded"] - took["open"]
    told = f"{took['guarded']:.2f} ms", f"open {took['open']:.2f} ms"
    return Row("a request with a token", Spread(more, more, more), "ms more", *told)


def _with(request: requests.Request, token: dict[str, str]) -> requests.Request:
    return request._replace(headers={**request.headers, **token})
