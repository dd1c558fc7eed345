"""supervisord, whose logs are JSON lines: its own, and those of every process, whatever writes to one.

What a process says in JSON is kept as it is. A line of anything else (PostgreSQL, Envoy, a traceback of the interpreter)
becomes the message of one.
"""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

from supervisor import loggers, supervisord
from supervisor.dispatchers import POutputDispatcher
from supervisor.events import ProcessCommunicationStdoutEvent
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.process import Subprocess

# A longer line is cut into several, so that a process that never ends one costs no memory.
LONGEST = 256 * 1024
SEVERITY = re.compile(r"\b(?:(panic|fatal|error|critical)|(warning))\b", re.IGNORECASE)


def line(text: str, function: str) -> str:
    """One line of a log: the text itself where it is a JSON object, else one that has it as its message."""
    if _is_object(text):
        return text + "\n"
    found = SEVERITY.search(text[:200])
    fields = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "INFO" if not found else "ERROR" if found[1] else "WARNING",
        "message": text,
        "correlation_id": None,
        "function": function,
    }
    return json.dumps(fields) + "\n"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class Output(POutputDispatcher):  # type: ignore[misc]
    """What one process writes, line by line."""

    output_buffer: bytes = b""

    def record_output(self) -> None:
        *whole, self.output_buffer = self.output_buffer.split(b"\n")
        while len(self.output_buffer) > LONGEST:
            whole.append(self.output_buffer[:LONGEST])
            self.output_buffer = self.output_buffer[LONGEST:]
        self._keep(whole)

    def end(self) -> None:
        """Keeps what it said last, without a line break."""
        self._keep([self.output_buffer])
        self.output_buffer = b""

    def close(self) -> None:
        self.end()
        super().close()

    def _keep(self, lines: list[bytes]) -> None:
        name = self.process.config.name
        texts = [each.decode("utf-8", "backslashreplace") for each in lines if each.strip()]
        self._log("".join(line(text, name) for text in texts).encode())


class Process(Subprocess):  # type: ignore[misc]
    def drain(self) -> None:
        super().drain()
        for output in self.dispatchers.values():
            if isinstance(output, Output):
                output.end()


class Config(ProcessConfig):  # type: ignore[misc]
    def make_process(self, group: Any = None) -> Process:
        process = Process(self)
        process.group = group
        return process

    def make_dispatchers(self, process: Any) -> tuple[dict[int, Any], dict[str, Any]]:
        dispatchers, pipes = super().make_dispatchers(process)
        dispatchers[pipes["stdout"]] = Output(process, ProcessCommunicationStdoutEvent, pipes["stdout"])
        return dispatchers, pipes


class Log(loggers.Logger):  # type: ignore[misc]
    """supervisord's own."""

    def log(self, level: int, msg: str, **words: object) -> None:
        if level >= self.level:
            super().log(level, line(msg % words if words else msg, "supervisor"))


class Options(ServerOptions):  # type: ignore[misc]
    def make_logger(self) -> None:
        self.logger = Log(self.loglevel)
        size, backups = self.logfile_maxbytes, self.logfile_backups
        loggers.handle_file(self.logger, self.logfile, "%(message)s", rotating=True, maxbytes=size, backups=backups)
        for text in (*self.parse_criticals, *self.parse_warnings, *self.parse_infos):
            self.logger.info(text)

    def processes_from_section(self, parser: Any, section: str, group_name: str, klass: Any = None) -> list[Any]:
        found: list[Any] = super().processes_from_section(parser, section, group_name, Config)
        return found


def main() -> None:
    options = Options()
    options.realize(sys.argv[1:], doc=__doc__)
    options.first, options.test = True, False
    supervisord.go(options)


if __name__ == "__main__":
    main()
