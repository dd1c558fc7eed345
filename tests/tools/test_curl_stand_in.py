"""The stand-in sends what curl would, says what curl would, and refuses what it does not know."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local.ports import pick
from tests.tools.curl import STAND_IN


class Echo(BaseHTTPRequestHandler):
    """Answers 418 with the request's method, path, content type and body."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = f"{self.command} {self.path} {self.headers['Content-Type']} {self.rfile.read(length).decode()}".encode()
        self.send_response(418)
        self.send_header("X-Kind", "teapot")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def curl(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-I", "-S", STAND_IN, *words], capture_output=True, text=True, timeout=30)


def test_it_gets(address: str) -> None:
    assert curl(f"http://{address}/a?b=c&d").stdout == "GET /a?b=c&d None "


def test_data_is_posted_as_a_form_unless_a_header_says_otherwise(address: str) -> None:
    assert curl(address, "-d", "x=1").stdout == "POST / application/x-www-form-urlencoded x=1"
    assert curl("-X", "PUT", "-H", "Content-type: application/json", "-d", "{}", address).returncode == 0
    assert curl("-H", "Content-type: application/json", "-d", "{}", address).stdout == "POST / application/json {}"


def test_what_came_is_written_where_it_is_asked_for(address: str, tmp_path: Path) -> None:
    body, headers = tmp_path / "body", tmp_path / "headers"
    seen = curl("-s", "-o", str(body), "-D", str(headers), "-w", "%{http_code}", f"http://{address}/")
    assert (seen.returncode, seen.stdout) == (0, "418")
    assert body.read_text() == "GET / None "
    assert headers.read_bytes().startswith(b"HTTP/1.1 418 I'm a Teapot\r\n")
    assert b"\r\nX-Kind: teapot\r\n" in headers.read_bytes()


def test_where_nobody_listens_it_ends_as_curl_does() -> None:
    seen = curl("-s", "-S", f"http://127.0.0.1:{pick(1)[0]}/")
    assert (seen.returncode, seen.stdout) == (7, "")
    assert seen.stderr.startswith("curl: (7) ")


def test_an_option_that_it_does_not_know_is_refused() -> None:
    assert curl("--insecure", "http://127.0.0.1/").returncode == 2
