"""A named statement, as it is told to the server: once to plan it, and from then on with its parameters alone."""

import hashlib
import re
from typing import NamedTuple, Self

_PARAMETER = re.compile(r"%\((\w+)\)s")


class Prepared(NamedTuple):
    """`text` is the statement itself, with its parameters by name, as psycopg2 takes them; `prepare` has the server plan it
    under `name`, and `execute` runs it. `awaits_its_commit`: it writes, and is answered only when its commit is durable.
    `called`: the name that people know it by."""

    called: str
    name: str
    text: str
    prepare: str
    execute: str
    awaits_its_commit: bool

    @classmethod
    def of(cls, name: str, text: str) -> Self:
        """The name that the server is told holds a hash of the text: another version of the statement, of functions that run
        beside these over the same pooler, is another statement."""
        parameters = list(dict.fromkeys(_PARAMETER.findall(text)))
        numbered = _PARAMETER.sub(lambda found: f"${parameters.index(found[1]) + 1}", text)
        called, name = name, f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        given = ", ".join(f"%({parameter})s" for parameter in parameters)
        return cls(
            called,
            name,
            text,
            prepare=f"PREPARE {name} AS {numbered}",
            execute=f"EXECUTE {name} ({given})" if given else f"EXECUTE {name}",
            awaits_its_commit=_awaits_its_commit(text),
        )

    @classmethod
    def together(cls, *statements: Self) -> Self:
        """Several as one, in one commit. Seldom asked for, so the server plans them each time: it has no `name`."""
        text = "; ".join(statement.text for statement in statements)
        called = "; ".join(statement.called for statement in statements)
        return cls(called, "", text, "", "", any(statement.awaits_its_commit for statement in statements))


def _awaits_its_commit(text: str) -> bool:
    return bool(re.search(r"\b(INSERT|UPDATE|DELETE)\b", text)) and "synchronous_commit" not in text
