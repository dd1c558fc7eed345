"""Answers are understood as they were meant, and nothing of the environment changes where a call goes."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest
import urllib3

from shared.gateways.stripe import session
from shared.platform import http_client
from shared.platform.http_client import LARGEST_REPLY, NoResponse, Response, Send
from tests.fakes.trips import Cut, Says, TripServer

JSON = b'{"status": "COMPLETED", "distance": 10.5}'


@pytest.fixture(params=[http_client.send, session.send], ids=["kept", "requests"])
def through(request: pytest.FixtureRequest) -> Send:
    """Both ways in which calls are made."""
    way: Send = request.param
    return way


def ask(trips: TripServer, through: Send) -> Response:
    return http_client.request("GET", f"{trips.url}/trips/101", timeout=20.0, headers={}, through=through)


def raw_deflate(text: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(text) + squeeze.flush()


COMPRESSED = {
    "gzip": gzip.compress(JSON),
    "GZIP": gzip.compress(JSON),
    "x-gzip": gzip.compress(JSON),
    "deflate": zlib.compress(JSON),
    "deflate ": raw_deflate(JSON),
    "gzip, deflate": zlib.compress(gzip.compress(JSON)),
    "identity": JSON,
    "": JSON,
}


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_compressed_answer_is_what_it_holds(trips: TripServer, through: Send, coding: str) -> None:
    trips.says(101, Says(200, COMPRESSED[coding], {"Content-Encoding": coding.strip()}))
    for _ in range(2):
        assert ask(trips, through).body == JSON


NOT_UNDERSTOOD = {
    "one that nobody knows": ("br2", JSON),
    "one within another": ("br2, gzip", gzip.compress(JSON)),
    "gzip that is none": ("gzip", JSON),
    "gzip with a wrong sum": ("gzip", gzip.compress(JSON)[:-8] + bytes(8)),
    "deflate that is none": ("deflate", b"\xff" + JSON),
    "one after the other without end": (", ".join(["gzip"] * 20), JSON),
}


@pytest.mark.parametrize("case", NOT_UNDERSTOOD)
def test_an_answer_that_cannot_be_decoded_is_no_reply(trips: TripServer, through: Send, case: str) -> None:
    coding, body = NOT_UNDERSTOOD[case]
    trips.says(101, Says(200, body, {"Content-Encoding": coding}))
    with pytest.raises(NoResponse):
        ask(trips, through)


@pytest.mark.parametrize("status", [202, 403])
@pytest.mark.parametrize("case", [*NOT_UNDERSTOOD, "too long", "cut off"])
def test_where_the_status_says_all_no_body_changes_it(trips: TripServer, through: Send, status: int, case: str) -> None:
    coding, body = NOT_UNDERSTOOD.get(case, ("identity", b" " * (LARGEST_REPLY + 2)))
    said = Says(status, body, {"Content-Encoding": coding})
    trips.says(101, Cut(said.raw()[:-1]) if case == "cut off" else said)
    for _ in range(2):
        url = f"{trips.url}/trips/101"
        reply = http_client.request("GET", url, timeout=3.0, headers={}, through=through, status_says_all=True)
        assert (reply.status, reply.body) == (status, b"")


@pytest.mark.parametrize("size", [LARGEST_REPLY, LARGEST_REPLY + 1])
def test_an_answer_is_at_most_as_long_as_the_longest_reply_once_it_is_decoded(
    trips: TripServer, through: Send, size: int
) -> None:
    trips.says(101, Says(200, gzip.compress(b" " * size), {"Content-Encoding": "gzip"}))
    if size == LARGEST_REPLY:
        assert len(ask(trips, through).body) == size
    else:
        with pytest.raises(NoResponse, match="too long"):
            ask(trips, through)


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_that_would_fill_the_memory_is_given_up_before(trips: TripServer, through: Send, times: int) -> None:
    bomb = gzip.compress(bytes(200 << 20), 6)
    for _ in range(times - 1):
        bomb = gzip.compress(bomb)
    trips.says(101, Says(200, bomb, {"Content-Encoding": ", ".join(["gzip"] * times)}))
    tracemalloc.start()
    try:
        with pytest.raises(NoResponse, match="too long"):
            ask(trips, through)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_nothing_is_offered_that_cannot_be_decoded(trips: TripServer, through: Send) -> None:
    ask(trips, through)
    offered = {coding.strip() for coding in trips.asked[-1].headers["accept-encoding"].split(",")}
    assert offered <= {"identity", *urllib3.HTTPResponse.CONTENT_DECODERS}


def test_no_proxy_is_obeyed_and_no_password_is_read(
    trips: TripServer, through: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    passwords = tmp_path / "netrc"
    passwords.write_text("machine 127.0.0.1 login operator password secret\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(passwords))
    assert ask(trips, through).status == 200
    assert "authorization" not in trips.asked[-1].headers
