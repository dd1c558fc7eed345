"""Consoles of several cells at one address, as behind the front door of cells: what it tells them, and what it says of one that
is down."""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import functions_framework
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from local.place import CHECKOUT
from local.ports import HOST
from tests.support.settings import ENVIRONMENT

DOWN = b'{"type":"urn:payment-service:problem:service_unavailable","status":503,"code":"service_unavailable"}'


def console_of(**settings: str) -> tuple[Any, Any]:
    """The console as the framework serves it with these settings, and its module."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, **settings}.items():
            patch.setenv(name, value)
        app = functions_framework.create_app("console", str(CHECKOUT / "functions" / "console" / "main.py"))
    return app, sys.modules["main"]


def down(_: dict[str, Any], start: Any) -> Iterable[bytes]:
    """A cell of which the front door says that it does not answer."""
    start("503 Service Unavailable", [("Content-Type", "application/problem+json")])
    return [DOWN]


def one_address(cells: dict[str, Any], any_cell: Any) -> Any:
    """An application with each cell below its prefix, and the page of all cells, which one of them has, at /console. Another
    application may take a cell's place at any time."""

    def below(prefix: str) -> Any:
        told = {"SCRIPT_NAME": "", "HTTP_X_FORWARDED_PREFIX": prefix}
        return lambda environ, start: cells[prefix]({**environ, **told}, start)

    def of_none(environ: dict[str, Any], start: Any) -> Any:
        return any_cell({**environ, "PATH_INFO": "/console/cells"}, start)

    return DispatcherMiddleware(of_none, {prefix: below(prefix) for prefix in cells})


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The address at which it is served."""
    server = make_server(HOST, 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
