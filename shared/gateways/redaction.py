"""What is kept for good of what a gateway said: its words, without secrets, card data and people's particulars."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from shared.platform import json_text
from shared.platform.terminal import printable

Item = TypeVar("Item")

# What stands in place of what is not kept.
GONE = "…"
# Objects of a gateway's are neither so deep nor so long; what is beyond is no evidence.
DEEPEST = 16
LONGEST_TEXT = 500
LONGEST_NAME = 100
# Characters of JSON text, the whole of it.
LARGEST = 32_000
# What is counted of an item besides its text, and kept free for the last one.
_SIGNS, _OVERHANG = 6, 2_000

# Names as they are read: in small letters, and nothing but letters and digits.
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]")
# Wherever they stand in a name.
_SENSITIVE = re.compile(
    r"secret|passw|token|authorization|apikey|email|phone|address|shipping|billing|fingerprint|last4|expmonth|expyear"
    r"|cvc|cvv|iban|accountn|routingn|sortcode|cardn|cardholder|signature|receipturl|receiptnumber"
    r"|(?:holder|customer|payer|buyer|owner|verified|first|last|full)name"
)
# Only where they are all of a name. An evidence is what the seller told the bank of the customer.
_WHOLE = frozenset(
    {"name", "number", "iin", "bin", "ip", "vpa", "dob", "source", "sources", "nextaction", "evidence"}
    | {"card", "cardpresent", "upi"}
)
# What a bank says of a card in a dispute: why, and in which kind of case. Nothing of the card itself.
_SAID_BY_THE_BANK = frozenset({"network_reason_code", "case_type"})

# What a gateway called something, and a reference of ours, are kept to the letter: either may have many digits.
_CALLED = re.compile(
    r"(?!sk_|rk_|pk_|ek_|whsec_|tok_)[a-z]{1,16}_(?=[0-9]*[A-Za-z])[0-9A-Za-z]{8,64}"
    r"|(?:PAY|REF)-[0-9]{8}-[0-9A-Z]{16}(?:-[0-9]{1,4})?"
)
# Addresses of mail and of UPI; where whoever has the address may see more.
_ADDRESSES = re.compile(r"(?<!\S)[^\s@]+@\S+|(?<=://)[^/\s?#]*[/?#]\S*")
_HIDDEN = re.compile(
    "|".join(
        (
            r"(?<![a-z])(?:sk|rk|pk|ek|whsec|tok)_\w+",  # keys and tokens, as Stripe makes them
            r"\b\w{0,100}_secret_\w*",  # what lets whoever has it act for a customer
            r"\b(?:bearer|basic)\s+\S+",  # as HTTP carries them
            r"\+\d(?:[ ()-]{0,2}\d){6,}",  # numbers of phones
            r"(?<![\w.])0?[6-9]\d{4}[\s-]?\d{5}(?![\w.])",  # India's mobile ones, as they are written there
            r"\d(?:[\s._/-]{0,2}\d){11,}",  # and of cards and accounts
            r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",  # addresses of machines
            r"(?<![0-9a-f:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?:\.\d{1,3}){0,3}(?![0-9a-f:])",
        )
    ),
    re.IGNORECASE,
)
# With fewer digits it is no card's number.
_LEAST_OF_A_CARD = 10**11


def redacted(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an object that a gateway sent or showed. Fails for nothing, whatever it is given.

    Names, amounts, statuses, times and reasons stay as they are. In place of secrets, of a card's details, and of who the
    customer is and where, stands "…": by the names of fields, and by what looks like one in any text. What is too deep, too
    long or too much is cut, so that the JSON text of it is shorter than LARGEST characters, and has only what a database can
    store.
    """
    return _Keeping().object(said, 1)


class _Keeping:
    """One object on its way. `left` is for how many characters there is room yet."""

    def __init__(self) -> None:
        self.left = LARGEST - _OVERHANG

    def object(self, said: Mapping[Any, Any], depth: int, only: frozenset[str] | None = None) -> dict[str, Any]:
        """`only`: the fields that are kept, where not all are."""
        kept: dict[str, Any] = {}
        for name, value in self._while_there_is_room(said.items()):
            if only is None or name in only:
                shown = self._text(str(name), LONGEST_NAME)
                kept[shown] = self._field(str(name), value, depth)
        return kept

    def _field(self, name: str, value: Any, depth: int) -> Any:
        plain = _NOT_IN_A_NAME.sub("", name[:LONGEST_NAME].lower())
        if value is None or isinstance(value, bool) or not (plain in _WHOLE or _SENSITIVE.search(plain)):
            return self._value(value, depth)
        is_a_card = plain in ("card", "cardpresent") and isinstance(value, Mapping) and depth < DEEPEST
        return self.object(value, depth + 1, _SAID_BY_THE_BANK) if is_a_card else GONE

    def _value(self, value: Any, depth: int) -> Any:
        match value:
            case None | bool():
                return value
            case str():
                return self._text(value, LONGEST_TEXT)
            case int() | float() | Decimal():
                return self._number(value)
            case Mapping() if depth < DEEPEST:
                return self.object(value, depth + 1)
            case list() if depth < DEEPEST:
                return [self._value(item, depth + 1) for item in self._while_there_is_room(value)]
        return GONE

    def _text(self, text: str, longest: int) -> str:
        """Without what must not be kept; half of what is cut may be left of a secret, so it is looked for before that."""
        near = text[: 2 * longest]
        if not _CALLED.fullmatch(near):
            near = _HIDDEN.sub(GONE, _ADDRESSES.sub(GONE, near))
        shown = printable(near)
        shown = shown if len(shown) <= longest else shown[: longest - 1] + GONE
        self.left -= len(json_text.write(shown))
        return shown

    def _number(self, value: int | float | Decimal) -> Any:
        if isinstance(value, int):
            fits = abs(value) < _LEAST_OF_A_CARD
        else:
            finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
            fits = finite and not _HIDDEN.search(str(value))
        if not fits:
            return GONE
        self.left -= len(str(value))
        return value

    def _while_there_is_room(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.left -= _SIGNS
            if self.left < 0:
                return
            yield item
