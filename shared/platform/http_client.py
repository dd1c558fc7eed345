"""HTTP calls to other services, each bounded as a whole."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import urllib3

from shared.platform import http_connections

# Bytes. A page of a gateway's list, a hundred objects, has room in it many times; what is longer is no answer to what is
# asked here, and is given up before it takes up memory.
LARGEST_REPLY = 1 << 20


class NoResponse(Exception):
    """No whole answer came in time. Whether the request was carried out is unknown."""


@dataclass(frozen=True)
class Response:
    """An answer as it was meant: the body is what a compressed one holds. `repeated`: the request was sent before, and may
    have been carried out then."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
) -> urllib3.BaseHTTPResponse:
    """Sends one request over urllib3, and returns the answer still to be read, within `timeout` seconds for both."""
    return _pools.urlopen(
        method,
        url,
        headers=headers,
        body=body,
        timeout=urllib3.Timeout(total=timeout),
        retries=False,
        redirect=False,
        preload_content=False,
    )


Send = Callable[[str, str, Mapping[str, str], bytes | None, float], urllib3.BaseHTTPResponse]


def request(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str],
    body: bytes | None = None,
    through: Send = send,
    status_says_all: bool = False,
) -> Response:
    """Makes one HTTP call and returns the whole answer within `timeout` seconds, or raises NoResponse. Where the status
    says all, the answer has no body, and one that is cut off, or compressed in a way nobody knows, changes nothing.

    Redirects are not followed. A connection that turns out to be closed is tried once more, so only requests that may be
    repeated belong here: reads, and writes with an idempotency key. No proxy or password is read from the environment.
    """
    deadline = time.monotonic() + timeout
    read = _pass_over if status_says_all else _read
    try:
        try:
            return _call_once(through, method, url, deadline, headers, body, read)
        except urllib3.exceptions.ProtocolError:
            return replace(_call_once(through, method, url, deadline, headers, body, read), repeated=True)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as failure:
        # What went wrong, without the address and whatever it holds.
        raise NoResponse(type(failure).__name__) from failure


def _call_once(
    through: Send,
    method: str,
    url: str,
    deadline: float,
    headers: Mapping[str, str],
    body: bytes | None,
    read: Callable[[urllib3.BaseHTTPResponse], bytes],
) -> Response:
    left = deadline - time.monotonic()
    if left <= 0:
        raise NoResponse("no answer in time")
    response = through(method, url, headers, body, left)
    try:
        whole = read(response)
        return Response(response.status, whole, response.headers)
    except BaseException:
        response.close()
        raise
    finally:
        response.release_conn()


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The body, decompressed. What is too large is given up before it takes up memory."""
    whole = response.read(LARGEST_REPLY + 1, decode_content=True)
    if len(whole) > LARGEST_REPLY:
        raise NoResponse("the answer is too long")
    codings = {coding.strip().lower() for coding in response.headers.get("Content-Encoding", "").split(",")}
    if whole and not codings <= {"", "identity", *response.CONTENT_DECODERS}:
        raise NoResponse("the answer is compressed in a way that is not understood")
    response.drain_conn()
    return whole


def _pass_over(response: urllib3.BaseHTTPResponse) -> bytes:
    """Takes the body off the connection, so that it can be used again; where that fails, it is closed."""
    try:
        if len(response.read(LARGEST_REPLY + 1, decode_content=False)) > LARGEST_REPLY:
            response.close()
    except (urllib3.exceptions.HTTPError, OSError):
        response.close()
    return b""


_pools = urllib3.PoolManager(num_pools=8, maxsize=32)
_pools.pool_classes_by_scheme = http_connections.POOLS
