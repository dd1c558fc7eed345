"""Bodies that were compressed on their way."""

import io
from collections.abc import Mapping

import urllib3


class NotUnderstood(ValueError):
    """It is compressed in a way that is not understood, or damaged."""


def decoded(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """What a whole body holds, at most so many bytes of it, however much that would be. Raises NotUnderstood."""
    coding = headers.get("content-encoding", "")
    answer = urllib3.HTTPResponse(io.BytesIO(body), {"Content-Encoding": coding}, preload_content=False)
    codings = {each.strip().lower() for each in coding.split(",")}
    if not codings <= {"", "identity", *answer.CONTENT_DECODERS}:
        raise NotUnderstood("the answer is compressed in a way that is not understood")
    try:
        return answer.read(most, decode_content=True)
    except urllib3.exceptions.HTTPError as failure:
        raise NotUnderstood(type(failure).__name__) from failure
