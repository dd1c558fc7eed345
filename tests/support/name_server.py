"""The name server of the tests: processes with its `environment` look up names that only it knows, and it can fall silent."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

RESOLVER = Path(__file__).parent / "resolver"


class NameServer:
    """Knows no name at first."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="names-")
        self._file = Path(self._folder.name) / "names.json"
        self._names: dict[str, list[str]] = {}
        self._write(self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """For Python processes that are to ask it; their other look-ups are as ever."""
        return {"PYTHONPATH": str(RESOLVER), "NAMES": str(self._file)}

    def lead(self, name: str, *addresses: str) -> None:
        """From now on that is where a name, which ends in `.test`, leads."""
        self._names[name] = list(addresses)
        self._write(self._names)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """While this lasts every look-up hangs, and those that began in it for up to some seconds more."""
        self._write(None)
        try:
            yield
        finally:
            self._write(self._names)

    def _write(self, names: dict[str, list[str]] | None) -> None:
        """All at once, for whoever reads it meanwhile."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(names), encoding="utf-8")
        os.replace(fresh, self._file)
