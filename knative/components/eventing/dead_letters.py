"""Logs each event that could not be delivered: its attributes and Knative's reason, never its data."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = ("ce-id", "ce-type", "ce-subject", "ce-source", "ce-time", "ce-correlationid")
REASONS = ("ce-knativeerrorcode", "ce-knativeerrordest")


class DeadLetters(BaseHTTPRequestHandler):
    """Answers 204 to every event, so that it is not sent again; 200 to a probe."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = {"level": "ERROR", "message": "event not delivered"}
        line |= {name[3:]: self.headers[name] for name in KEPT + REASONS if self.headers[name]}
        print(json.dumps(line), flush=True)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """A line for each probe would hide the dead letters."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), DeadLetters)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    sys.exit(0)
