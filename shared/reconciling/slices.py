"""The time of a reconciliation in slices that are read at once: a list gives one page after another, and each takes a while."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Self

# At a third of a second each, twenty pages of a hundred a second: a million movements within ten minutes, and a fifth of what
# Stripe lets read at once (https://docs.stripe.com/rate-limits).
MOST = 6
_WHOLE, _READ = "-", "."


class Slice(NamedTuple):
    """From `begins` on and before `ends`; `after` is the place at which its next page begins, None the first. `is_read`: to its
    end."""

    begins: datetime
    ends: datetime
    after: str | None = None
    is_read: bool = False


class Slices(NamedTuple):
    """What is left of a time that began at `begins`: up to `ends`, in equal slices, each read from its newest movement on."""

    begins: datetime
    ends: datetime
    parts: Sequence[Slice]

    @classmethod
    def cut(cls, begins: datetime, ends: datetime) -> Self:
        return cls._of(begins, ends, [_WHOLE] * MOST)

    @classmethod
    def read(cls, begins: datetime, place: str) -> Self:
        """As `written` wrote them."""
        ends, *places = place.split(" ")
        return cls._of(begins, datetime.fromisoformat(ends), places)

    @classmethod
    def _of(cls, begins: datetime, ends: datetime, places: Sequence[str]) -> Self:
        edges = [begins + (ends - begins) * n / len(places) for n in range(len(places) + 1)]
        parts = [
            Slice(since, until, None if place in (_WHOLE, _READ) else place, place == _READ)
            for since, until, place in zip(edges, edges[1:], places, strict=False)
        ]
        return cls(begins, ends, parts)

    def written(self) -> str:
        places = (_READ if part.is_read else part.after or _WHOLE for part in self.parts)
        return " ".join([self.ends.isoformat(), *places])

    def are_read(self) -> bool:
        return all(part.is_read for part in self.parts)

    def with_part(self, number: int, part: Slice) -> Self:
        return self._replace(parts=[part if n == number else each for n, each in enumerate(self.parts)])


def after_the_second_of(moment: datetime) -> datetime:
    """The end of the second that a moment lies in: a gateway counts by whole ones, and there may be more of it."""
    return moment.replace(microsecond=0) + timedelta(seconds=1)
