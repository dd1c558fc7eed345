"""requests, as Stripe is talked to: over connections that know when their call must be over."""

import time
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from shared.gateways.stripe.connections import POOLS
from shared.platform.http_client import Exchange, NoResponse
from shared.platform.http_connections import Broken


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _BoundedAdapter(pool_maxsize=32))
    session.mount("https://", _BoundedAdapter(pool_maxsize=32))
    return session


_shared = _session()


class _Exchange:
    """An answer that requests gave, with its body still to be read."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer

    def read(self, most: int) -> bytes:
        try:
            body = self._answer.read(most, decode_content=False)
            if len(body) < most:
                self._answer.drain_conn()
            return body
        except urllib3.exceptions.ProtocolError as failure:
            self._answer.close()
            raise Broken(type(failure).__name__) from failure
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as failure:
            self._answer.close()
            raise NoResponse(type(failure).__name__) from failure

    def end(self) -> None:
        if self._answer.length_remaining:
            self._answer.close()
        self._answer.release_conn()


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float) -> Exchange:
    """Sends one request through requests, for `http_client.request`."""
    try:
        response = _shared.request(
            method,
            url,
            headers=dict(headers),
            data=body,
            timeout=urllib3.Timeout(total=deadline - time.monotonic()),  # type: ignore[arg-type]  # taken as it is
            stream=True,
            allow_redirects=False,
        )
    except (requests.RequestException, OSError, ValueError) as failure:
        cause = failure.args[0] if failure.args else None
        if isinstance(failure, requests.ConnectionError) and isinstance(cause, urllib3.exceptions.ProtocolError):
            raise Broken(type(cause).__name__) from failure
        raise NoResponse(type(failure).__name__) from failure
    return _Exchange(response.raw)
