"""How far a reconciliation came, on a terminal: one line, drawn over itself."""

import sys
from typing import Self

WIDTH = 30
WORDS = {"gateway": "reading the gateway's books", "books": "reading our books"}


class Progress:
    """A bar on standard error; where that is no terminal, nothing."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drawn = ""
        self._is_seen = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            self._draw("")

    def show(self, phase: str, share: float) -> None:
        """Draws which share of a phase is done, where that is another than before."""
        share = min(max(share, 0.0), 1.0)
        bar = "#" * round(share * WIDTH)
        if self._is_seen:
            self._draw(f"{self._name}: {WORDS[phase]} [{bar:.<{WIDTH}}] {share:4.0%}")

    def _draw(self, line: str) -> None:
        if line != self._drawn:
            sys.stderr.write(f"\r{line:{len(self._drawn)}}\r{line}")
            sys.stderr.flush()
            self._drawn = line
