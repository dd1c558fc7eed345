"""As many instances of create_payment in one process as INSTANCES says, each with its pool, breaker and event delivery of its
own, for more of them than this machine has memory for. The header `Instance` says which one a request is for (absent, as in
probes: the first). They share what no two pods share: one interpreter, and so one core."""

import os
import runpy

import flask
import functions_framework

from local.place import CHECKOUT

MAIN = str(CHECKOUT / "functions" / "create_payment" / "main.py")
INSTANCES = [runpy.run_path(MAIN)["create_payment"] for _ in range(int(os.environ["INSTANCES"]))]


@functions_framework.http
def instance(request: flask.Request) -> flask.Response:
    answer: flask.Response = INSTANCES[int(request.headers.get("Instance", 0))](request)
    return answer
