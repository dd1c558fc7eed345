"""What the stand-ins for other services have in common: a small HTTP server that answers JSON."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.ports import HOST
from shared.platform.log import log, set_cell, set_level
from shared.platform.settings import read_settings

LARGEST_BODY = 1 << 20


class JsonHandler(BaseHTTPRequestHandler):
    """Keeps connections, writes no log, and sends headers and body at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what matters of a request is in the log of the service that made it."""

    def body(self) -> bytes:
        """The body, of at most 1 MiB."""
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY))

    def reply(self, status: int, value: object) -> None:
        """Answers with a value as JSON."""
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        log.exception("a request failed")


def serve(handler: type[JsonHandler]) -> None:
    """Serves on the port that PORT names until SIGTERM or Ctrl-C, for this machine only unless LISTEN_ON says otherwise."""
    settings = read_settings()
    set_level(settings.log_level)
    set_cell(settings.cell_label)
    with Server((os.environ.get("LISTEN_ON", HOST), int(os.environ["PORT"])), handler) as server:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
