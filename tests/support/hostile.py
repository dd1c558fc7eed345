"""Text that means harm to whoever logs it, shows it, or puts it into a page."""

import json
from typing import Any

# A line of its own, to a collector that splits at any of these.
FORGED = '{"level": "INFO", "message": "forged", "correlation_id": null}'
LINE_ENDS = "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
# Clears a terminal, rings, renames its window, deletes; starts commands in one byte, as Latin-1 has them.
TERMINAL = "\x1b[2J\x1b]0;owned\x07\x08\x7f\x9b31m\x00"
# Read backwards from here, isolated, invisible.
BIDI = "\u202e\u2066\u200f\ufeff\u200b"
MARKUP = (
    "</style></title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{7*7}}'\"`"
)
SCHEME = "javascript:document.title='owned'"
TEXT = f"{LINE_ENDS}{FORGED}{LINE_ENDS}{TERMINAL}{BIDI}{MARKUP}{SCHEME}"


def read_line(line: str) -> dict[str, Any]:
    """One line of a log, which is one JSON object in printable ASCII that nobody forged."""
    assert line.isascii(), line
    assert line.isprintable(), repr(line)
    found = json.loads(line)
    assert isinstance(found, dict)
    assert found["message"] != "forged"
    return found


def read_lines(text: str) -> list[dict[str, Any]]:
    """The lines of a log, at whatever a collector may take for the end of one."""
    assert text.isascii()
    return [read_line(line) for line in text.splitlines()]
