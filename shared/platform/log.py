"""Logs: one JSON object a line, on standard output, every line with the correlation id of its request.

Without exception: what libraries log, warnings, and what nothing caught (in a thread, at the end of the process) are lines too,
and no line fails, whatever is in it.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any

from pythonjsonlogger.json import JsonEncoder, JsonFormatter

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
function_name: ContextVar[str | None] = ContextVar("function_name", default=None)
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)

# What each line says of its cell: one process is of one.
_cell: Mapping[str, str] = MappingProxyType({})

# NaN and Infinity are no JSON. Made once: to make one takes as long as to write a line.
_written = JsonEncoder(allow_nan=False).encode
_NO_EXTRAS = frozenset(vars(logging.makeLogRecord({}))) | {"message"}


class Line(JsonFormatter):
    """A record as one line of JSON, in ASCII: any terminal and any collector reads it."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data |= _fields(record)
        super().add_fields(log_data, record, message_dict)

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return _written(log_data)

    def format(self, record: logging.LogRecord) -> str:
        try:
            line = super().format(record)
        except Exception:
            line = _anyhow(record)
        return _whole_letters(line) if "\\ud" in line else line


class _Output(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the base class's
        """Nothing: where the output itself is gone or full, there is nowhere to say so, and the request goes on."""


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    trace = trace_id.get()
    return {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "correlation_id": correlation_id.get(),
        "function": function_name.get(),
        **_cell,
        **({} if trace is None else {"trace_id": trace}),
    }


def _anyhow(record: logging.LogRecord) -> str:
    """A line for a record that JSON has no words for: everything in it as text."""
    texts = {_text(name): _text(value) for name, value in vars(record).items() if name not in _NO_EXTRAS}
    try:
        message = record.getMessage()
    except Exception:
        message = f"{_text(record.msg)} {_text(record.args)}"
    failure = {"exc_info": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
    return _written(texts | _fields(record) | {"message": message} | failure)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _whole_letters(line: str) -> str:
    """Halves of characters outside the Basic Multilingual Plane, which strict readers refuse, become question marks."""
    text = json.dumps(json.loads(line), ensure_ascii=False)
    return json.dumps(json.loads(text.encode("utf-8", "replace")))


def _uncaught(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, value, trace)
    else:
        log.critical("ended by what nothing caught", exc_info=(kind, value, trace))


def _uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value and not issubclass(failure.exc_type, SystemExit):
        where = {"in_thread": failure.thread.name if failure.thread else None}
        log.critical(
            "a thread ended by what nothing caught",
            exc_info=(failure.exc_type, failure.exc_value, failure.exc_traceback),
            extra=where,
        )


def _unraisable(failure: "sys.UnraisableHookArgs") -> None:
    exception = failure.exc_value or failure.exc_type()
    where = {"place": _text(failure.object), "why": failure.err_msg}
    log.error("ignored", exc_info=(type(exception), exception, failure.exc_traceback), extra=where)


def _logger() -> logging.Logger:
    """Ours, and for whatever else logs, warns or fails in this process the same output."""
    _output.setFormatter(Line())
    logger = logging.getLogger("payment-service")
    logger.handlers = [_output]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger().addHandler(_output)
    logging.captureWarnings(True)
    # Whoever has taken a hook before, such as a test runner, keeps it.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread
    return logger


def set_level(level: str) -> None:
    """What is logged from here on: DEBUG, INFO, WARNING or ERROR, and what is worse; INFO until somebody says."""
    log.setLevel(level)


def set_cell(label: str) -> None:
    """Every line from here on says which cell it is of; none does where the label is empty."""
    global _cell
    _cell = {"cell": label} if label else {}


def keep_off_standard_output() -> None:
    """From here on lines go to standard error: of a program whose standard output is what it was asked for."""
    _output.setStream(sys.stderr)


_output = _Output(sys.stdout)
log = _logger()
