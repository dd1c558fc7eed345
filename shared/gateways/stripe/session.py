"""requests, as Stripe is talked to: over connections that know when their call must be over."""

from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from shared.platform import http_connections


class _BoundedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = http_connections.POOLS


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _BoundedAdapter(pool_maxsize=32))
    session.mount("https://", _BoundedAdapter(pool_maxsize=32))
    return session


_shared = _session()


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
) -> urllib3.BaseHTTPResponse:
    """Sends one request, and returns the answer still to be read, within `timeout` seconds for both, for `http_client.request`.
    Raises what urllib3 does for a connection that was closed, else a requests.RequestException."""
    try:
        response = _shared.request(
            method,
            url,
            headers=dict(headers),
            data=body,
            timeout=urllib3.Timeout(total=timeout),  # type: ignore[arg-type]  # taken as it is, which the types do not say
            stream=True,
            allow_redirects=False,
        )
    except requests.ConnectionError as failure:
        cause = failure.args[0] if failure.args else None
        if isinstance(cause, urllib3.exceptions.ProtocolError):
            raise cause from failure
        raise
    answer: urllib3.BaseHTTPResponse = response.raw
    return answer
