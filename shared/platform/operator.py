"""The person who runs a command: who it is, and what they typed."""

import getpass
import os
import re
import socket


def operator() -> str:
    """OPERATOR, or whoever runs this, and where; an account without a name by its number."""
    if name := os.environ.get("OPERATOR"):
        return name
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def is_text(typed: str) -> bool:
    """Whether what was typed is text: bytes that are none come from the command line as half characters, which no database
    stores."""
    return re.search("[\ud800-\udfff]", typed) is None
