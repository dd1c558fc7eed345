"""What people fill in: forms, and what an address has of them."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from shared.web.call import Call
from shared.web.problems import Problem, invalid

FORM = "application/x-www-form-urlencoded"


def read_form(call: Call, *names: str) -> dict[str, str]:
    """The fields of a form that was sent, each as typed but for blanks around it; empty where it was not sent.

    Raises Problem unsupported_media_type, payload_too_large above 64 KiB, or invalid_request naming every field that is
    unknown, repeated or no text.
    """
    if call.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
        raise Problem("unsupported_media_type", f"Send the form as {FORM}.")
    try:
        pairs = parse_qsl(
            call.body().decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=4 * len(names),
        )
    except ValueError:
        raise invalid(("body", "is not a form of this page")) from None
    return _once(pairs, names)


def read_address(call: Call, *names: str) -> dict[str, str]:
    """The parameters of an address, as `read_form` reads fields. Raises Problem invalid_request."""
    return _once(call.query, names)


def _once(pairs: Iterable[tuple[str, str]], names: Iterable[str]) -> dict[str, str]:
    found = dict.fromkeys(names, "")
    seen, faults = set(), []
    for name, value in pairs:
        if name not in found:
            faults.append((name, "is not a field of this form"))
        elif name in seen:
            faults.append((name, "is given twice"))
        elif "\0" in value:
            faults.append((name, "holds a NUL character"))
        else:
            found[name] = value.strip()
        seen.add(name)
    if faults:
        raise invalid(*faults)
    return found
