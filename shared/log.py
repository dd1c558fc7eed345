"""Logs: one JSON object a line, on standard output, every line with the correlation id of its request."""

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from shared.settings import SETTINGS

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
function_name: ContextVar[str | None] = ContextVar("function_name", default=None)


class _Line(JsonFormatter):
    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["correlation_id"] = correlation_id.get()
        log_data["function"] = function_name.get()
        super().add_fields(log_data, record, message_dict)


def _logger() -> logging.Logger:
    logger = logging.getLogger("payment-service")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Line())
    logger.handlers = [handler]
    logger.setLevel(SETTINGS.log_level)
    logger.propagate = False
    return logger


log = _logger()
