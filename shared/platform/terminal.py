"""Text of others, on an operator's terminal."""


def printable(text: str) -> str:
    """The text, with what is no letter, sign or blank spelt out: a name, a reason or what a gateway says may hold commands to a
    terminal, line breaks, or marks that have the rest read backwards."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
