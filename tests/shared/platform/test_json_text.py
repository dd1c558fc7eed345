"""JSON is read strictly and exactly, and whatever hostile text comes is refused cheaply."""

import json
import math
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform import json_text
from shared.platform.json_text import JsonError, read, write

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.one_of(st.integers(-(10**40), 10**40), st.decimals(-(10**12), 10**12, allow_nan=False, places=4))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def fault(text: str | bytes) -> JsonError:
    with pytest.raises(JsonError) as refused:
        read(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return refused.value


@given(VALUES)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert read(write(value).encode()) == value


@given(VALUES)
def test_what_is_written_is_json_for_everybody_else(value: Any) -> None:
    json.loads(write(value))
    json.loads(write(value, canonical=True))


@given(VALUES, st.integers(0, 3))
def test_every_spelling_of_a_value_has_one_canonical_text(value: Any, indent: int) -> None:
    other = json.dumps(json.loads(write(value), parse_float=_Spelt, parse_int=_SpeltInt), indent=indent, cls=_Backwards)
    assert write(read(other.encode()), canonical=True) == write(value, canonical=True)


class _Spelt(float):
    """A number written with decimals more, by its exact value."""

    def __new__(cls, digits: str) -> "_Spelt":
        number = super().__new__(cls, digits)
        number.digits = digits  # type: ignore[attr-defined]
        return number

    def __repr__(self) -> str:
        exact = f"{Decimal(self.digits):f}"  # type: ignore[attr-defined]
        return exact + ("00" if "." in exact else ".0")


class _SpeltInt(int):
    pass


class _Backwards(json.JSONEncoder):
    """Writes fields in the opposite order, characters as they are, and floats by their repr."""

    def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
        yield _spell(o, self.indent)


def _spell(value: Any, indent: Any) -> str:
    gap = " " * int(indent or 0)
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{gap}{_spell(n, indent)}:{gap}{_spell(value[n], indent)}" for n in reversed(value)) + "}"
        )
    if isinstance(value, list):
        return "[" + f"{gap},\n".join(_spell(item, indent) for item in value) + "]"
    if isinstance(value, _Spelt):
        return repr(value)
    if isinstance(value, _SpeltInt):
        return f"{int(value)}e0"
    return json.dumps(value, ensure_ascii=False)


@given(VALUES, VALUES)
def test_different_values_have_different_canonical_texts(one: Any, other: Any) -> None:
    assert (write(one, canonical=True) == write(other, canonical=True)) == _same(one, other)


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("150", "150"),
        ("150.00", "150.00"),
        ("0.1", "0.1"),
        ("1.5e2", "1.5e2"),
        ("1e308", "1e308"),
        ("5e-324", "5e-324"),
    ],
)
def test_numbers_are_exact_and_keep_their_decimals(text: str, number: str) -> None:
    value = read(text.encode())
    assert Decimal(value).as_tuple() == Decimal(number).as_tuple()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a": NaN}'])
def test_what_json_does_not_know_is_no_number(text: str) -> None:
    assert "is not a JSON number" in str(fault(text))


@pytest.mark.parametrize(
    "digits", ["1e400", "-1e400", "1e-325", "1e99999999999999999999", "9" * 5000, "0." + "1" * 5000, "1" * 101]
)
def test_a_number_too_large_or_too_long_is_named_by_its_field(digits: str) -> None:
    refused = fault(f'{{"metadata": {{"list": [1, {digits}]}}}}')
    assert (refused.field, str(refused)) == ("metadata.list[1]", "is a number too large or too long")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "{]",
        "nul",
        "'a'",
        "[1,]",
        "{}{}",
        "// x",
        "01",
        "+1",
        ".5",
        "1.",
        '"\x01"',
        "\ufeff",
        "\ufeff\ufeff{}",
        " \ufeff{}",
        "{}\ufeff",
    ],
)
def test_what_is_not_json_is_refused_as_a_whole(text: str) -> None:
    refused = fault(text)
    assert refused.field == ""
    assert str(refused).startswith("is not JSON")


@given(VALUES)
def test_a_byte_order_mark_at_the_beginning_changes_nothing(value: Any) -> None:
    text = write(value).encode()
    assert write(read(b"\xef\xbb\xbf" + text)) == write(read(text))


def test_numbers_that_do_not_matter_may_be_unusable() -> None:
    text = f'{{"a": [1e400, {"9" * 5000}, NaN, -Infinity, 1.5], "b": "x"}}'.encode()
    value = read(text, of_a_neighbour=True)
    assert [type(each).__name__ for each in value["a"]] == ["Unusable"] * 4 + ["Decimal"]
    for other in (b'{"a": NaN, "a": 1}', b'{"a": NaN'):
        with pytest.raises(JsonError):
            read(other, of_a_neighbour=True)


@pytest.mark.parametrize("text", [b"\xff", b'{"a": "\xc3"}', '{"a": "é"}'.encode("latin-1"), "{}".encode("utf-16")])
def test_another_encoding_is_refused(text: bytes) -> None:
    assert str(fault(text)) in ("is not UTF-8", "is not JSON: Expecting property name enclosed in double quotes")


def test_a_field_given_twice_is_refused_by_its_name() -> None:
    refused = fault('{"a": {"trip_id": 1, "b": 2, "trip_id": 1}}')
    assert (refused.field, str(refused)) == ("trip_id", "is given twice")


def test_finding_the_field_given_twice_among_thousands_costs_next_to_nothing() -> None:
    text = "{" + ",".join(f'"{number:x}":1' for number in range(7000)) + ',"last":1,"last":2}'
    costs = []
    for _ in range(3):  # the least: the collector of garbage may come in the middle of one
        began = time.thread_time()  # of this thread: others of the tests' process have work of their own
        assert fault(text).field == "last"
        costs.append(time.thread_time() - began)
    assert min(costs) < 0.1


@pytest.mark.parametrize("depth", [33, 100, 1000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_deeper_than_32_is_refused_however_deep(depth: int, opening: str, closing: str) -> None:
    inner = "1" if opening.startswith("{") else ""
    assert str(fault(opening * depth + inner + closing * depth)) == "is nested deeper than 32"


def test_nesting_of_32_is_read() -> None:
    assert read(b"[" * 32 + b"]" * 32) is not None


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        (r'{"a": "x\u0000"}', "a", "holds a NUL character"),
        (r'{"a\u0000": 1}', "a\0", "holds a NUL character"),
        (r'{"a": ["\ud800"]}', "a[0]", "holds half a surrogate pair"),
        (r'{"a": "\udc00\ud800"}', "a", "holds half a surrogate pair"),
        (r'{"\udfff": 1}', "?", "holds half a surrogate pair"),
        (r'{"\ud800": 1, "\ud800": 2}', "?", "is given twice"),
    ],
)
def test_text_that_postgresql_cannot_store_is_refused(text: str, field: str, message: str) -> None:
    refused = fault(text)
    assert (refused.field, str(refused)) == (field, message)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert read(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(text: bytes) -> None:
    try:
        value = read(text)
    except JsonError:
        return
    assert not (isinstance(value, float) and math.isnan(value))
    json_text.write(value)
