"""What a function answers."""

from dataclasses import dataclass, field, replace

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of an answer; the door adds the rest. `about` goes into the request's line in the log."""

    status: int
    body: str = ""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    about: dict[str, int] = field(default_factory=dict)

    def replayed(self) -> "Answer":
        """The same answer, marked as one that was given before."""
        return replace(self, headers=self.headers | {"Idempotent-Replayed": "true"})
