"""An answer is what it says itself, however it comes, and whatever comes after it."""

import pytest

from shared.platform.http_messages import Incoming

INTERIM = b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
DECLINED = b"HTTP/1.1 402 Payment Required\r\nContent-Length: 2\r\nX-First: 1\r\n\r\n{}"
WITHOUT_A_BODY = b"HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\nX-First: 1\r\n\r\n"
IN_CHUNKS = (
    b"HTTP/1.1 402 Payment Required\r\nTransfer-Encoding: chunked\r\nX-First: 1\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
)
ANOTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Second: 2\r\n\r\ntrue"


def came(*parts: bytes) -> Incoming:
    answer = Incoming()
    for part in parts:
        if not answer.complete:  # nobody reads on
            answer.feed(part)
    return answer


@pytest.mark.parametrize("sent", [DECLINED, INTERIM + DECLINED, IN_CHUNKS], ids=["whole", "after another", "chunks"])
def test_an_answer_is_the_same_wherever_it_is_parted(sent: bytes) -> None:
    whole = came(sent)
    assert (whole.status, whole.body, whole.complete, whole.reusable) == (402, b"{}", True, True)
    for position in range(1, len(sent)):
        parted = came(sent[:position], sent[position:])
        assert vars(parted) | {"_parser": None, "_head": 0} == vars(whole) | {"_parser": None, "_head": 0}
        assert not came(sent[:position]).complete


@pytest.mark.parametrize("first", [DECLINED, WITHOUT_A_BODY, IN_CHUNKS], ids=["length", "no body", "chunks"])
def test_a_second_answer_that_nobody_asked_for_changes_nothing_of_the_first(first: bytes) -> None:
    alone = came(first)
    answer = came(first + ANOTHER)
    assert (answer.status, answer.body, answer.headers) == (alone.status, alone.body, alone.headers)
    assert answer.complete
    assert not answer.reusable


def test_fields_after_a_body_are_no_headers() -> None:
    answer = came(IN_CHUNKS.removesuffix(b"\r\n") + b"Content-Encoding: gzip\r\nX-First: 2\r\n\r\n")
    assert answer.complete
    assert answer.reusable
    assert answer.headers == {"transfer-encoding": "chunked", "x-first": "1"}
