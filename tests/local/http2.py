"""HTTP/2 (RFC 9113) as far as it takes to send requests to the front door in ways that no library does."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def request(stream: int, method: str, path: str, **others: str) -> bytes:
    """A request without a body. Its fields are neither indexed nor compressed (RFC 7541, 6.2.2)."""
    fields = {":method": method, ":scheme": "http", ":path": path, ":authority": "x", **others}
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)


def reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def _text(text: str) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text.encode()


def begin(connection: socket.socket) -> None:
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))


def body_of(connection: socket.socket, stream: int) -> bytes:
    """What comes as the body of a stream's answer, up to its end."""
    body = b""
    while True:
        head = _exactly(connection, 9)
        kind, flags, of = struct.unpack(">BBI", head[3:])
        payload = _exactly(connection, int.from_bytes(head[:3], "big"))
        if of == stream:
            assert kind in (DATA, HEADERS), f"frame {kind}"
            body += payload if kind == DATA else b""
            if flags & END_STREAM:
                return body


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = connection.recv(size - len(read))
        if not part:
            raise ConnectionError("it was closed")
        read += part
    return read
