"""What stands on a PATH for tools: a few lines of bash, which ask a server in the test's own process what to do."""

import shutil
import socketserver
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shlex import quote

# Nothing but what bash itself has: a test calls this a hundred times, and to start a program would cost more than all the rest.
STAND_IN = """#!{bash}
fed=''
case " $* " in *" --stdin "* | *" /dev/stdin "*) IFS= read -rd '' fed ;; esac
{{
  printf '%s\\0' $# "$fed" "${{0##*/}}" "$@" >&3
  IFS= read -rd '' answer <&3
}} 3<>/dev/tcp/127.0.0.1/{port}
eval "${{answer:-exit 1}}"
"""
# By its path, so that whoever looks for what a machine left running finds it.
STAYS = 'exec "${0%/*}/sleep" 60'


@dataclass(frozen=True)
class Answer:
    """What a tool prints, and the command by which it ends."""

    out: str = ""
    err: str = ""
    end: str = "exit 0"

    def in_shell(self) -> str:
        return f"printf %s {quote(self.out)}; printf %s {quote(self.err)} >&2; {self.end}"


# Of a tool's name, its arguments and what it was fed.
Answering = Callable[[str, list[str], str], Answer]


def line(text: str) -> Answer:
    return Answer(f"{text}\n")


def lines(texts: list[str]) -> Answer:
    return line("\n".join(texts))


def failed(why: str) -> Answer:
    return Answer(err=f"{why}\n", end="exit 1")


def whether(is_so: bool) -> Answer:
    return Answer(end="exit 0" if is_so else "exit 1")


def put_on_the_path(folder: Path, tools: tuple[str, ...], port: int) -> None:
    text = STAND_IN.format(bash=shutil.which("bash"), port=port)
    for tool in tools:
        (folder / tool).write_text(text)
        (folder / tool).chmod(0o755)


@contextmanager
def answered_by(answering: Answering) -> Iterator[int]:
    """The port where stand-ins are answered: one after another, so that whoever answers needs no lock."""

    class Call(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = self.received()
            fed, tool, *arguments = islice(received, 2 + int(next(received)))
            try:
                answer = answering(tool, arguments, fed)
            except Exception:
                answer = failed(traceback.format_exc())
            self.request.sendall(answer.in_shell().encode())

        def received(self) -> Iterator[str]:
            """Each word up to its NUL."""
            rest = b""
            while chunk := self.request.recv(65536):
                *whole, rest = (rest + chunk).split(b"\0")
                yield from map(bytes.decode, whole)

    with socketserver.TCPServer(("127.0.0.1", 0), Call) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
