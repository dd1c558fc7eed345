"""What came of a delivery that the sink did not take."""

from typing import NamedTuple

# What 4xx is no refusal for good: the request came too slowly, too early, or too often; or its sender is not known yet, or no
# more, which another token or another setting mends.
PASSING = frozenset({401, 403, 408, 425, 429})


class Failed(NamedTuple):
    """`for_good`: it was refused, and will be again."""

    event_id: str
    why: str
    for_good: bool = False


def is_for_good(status: int) -> bool:
    """Whether an HTTP status is a refusal that another try does not change."""
    return 400 <= status < 500 and status not in PASSING
