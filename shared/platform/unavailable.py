"""What whoever answers a request must know of the database, without what it takes to reach one: not every function has it."""


class DatabaseUnavailable(Exception):
    """The database does not answer, or cannot take writes, or is not migrated. Whether a write happened is unknown.

    `passing`: the connection broke, so another try on a fresh one may well do. `undone`: surely nothing was changed, so even
    a write may be tried again. `timed_out`: no answer came to a statement that was sent.
    """

    def __init__(
        self,
        reason: str,
        *,
        passing: bool = False,
        undone: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(reason)
        self.passing = passing or undone
        self.undone = undone
        self.timed_out = timed_out
