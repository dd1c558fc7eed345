"""Files that pages load: scripts and styles, under names that change with their content."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from importlib.resources.abc import Traversable

from shared.web.answers import Answer
from shared.web.problems import Problem

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


class Assets:
    """`files` are read with the first that is asked for."""

    def __init__(self, files: Iterable[Traversable]) -> None:
        self._files = tuple(files)

    @cached_property
    def names(self) -> dict[str, str]:
        """What each file is called where it is asked for, with a digest of its content, by its own name."""
        return {file.name: _named(file) for file in self._files}

    def answer(self, name: str) -> Answer:
        """The file of that name: kept for ever, since another content has another name. Raises Problem not_found."""
        for file in self._files:
            if self.names[file.name] == name:
                kept = {"Cache-Control": "public, max-age=31536000, immutable"}
                return Answer(200, file.read_text(encoding="utf-8"), _TYPES[name.rpartition(".")[2]], kept)
        raise Problem("not_found", "No page loads this.")


def _named(file: Traversable) -> str:
    stem, _, kind = file.name.rpartition(".")
    return f"{stem}-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}.{kind}"
