"""What reads the fields of a request without pydantic, made from the models. `python -m tools.request_fields` writes it."""

import typing
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.web import field_values
from shared.web.models import PaymentRequest, RefundRequest

FILE = Path(__file__).parents[1] / "shared" / "web" / "request_fields.py"

HEAD = '''"""The fields of the requests, made from shared/web/models.py: `python -m tools.request_fields` writes this file."""

from collections.abc import Set
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from shared.web import field_values as values
from shared.web.field_values import Field
'''

Schema = dict[str, Any]

# What pydantic makes of a value that is of the type already: nothing else.
_PLAIN: list[tuple[object, Schema, str]] = [
    (str, {"type": "str"}, "str"),
    (Decimal, {"type": "decimal"}, "Decimal"),
    (
        dict[str, Any],
        {"type": "dict", "keys_schema": {"type": "str"}, "values_schema": {"type": "any"}},
        "dict[str, Any]",
    ),
]


class Unreadable(Exception):
    """A model has a field of a kind that this does not know how to read."""


def written() -> str:
    """The text of the file."""
    return HEAD + section("Payment", PaymentRequest) + section("Refund", RefundRequest)


def section(name: str, model: type[BaseModel]) -> str:
    """The value that a model's fields are read into, and how each is read. Raises Unreadable."""
    fields = _fields(model)
    reads = [f'    "{field}": {_field(schema)},' for field, schema in fields.items()]
    types = [f"    {field}: {_type(schema)}" for field, schema in fields.items()]
    head = [f"class {name}Fields(NamedTuple):", *types, "    given: Set[str]"]
    return "\n".join(["", "", *head, "", "", f"{name.upper()} = {{", *reads, "}", ""])


def _fields(model: type[BaseModel]) -> dict[str, Schema]:
    schema = model.__pydantic_core_schema__
    if schema["type"] != "model" or schema["config"].get("extra_fields_behavior") != "forbid":
        raise Unreadable(f"{model.__name__} is more than its fields, or takes unknown ones")
    fields: dict[str, Schema] = schema["schema"]["fields"]
    for name, field in fields.items():
        if _bare(field).keys() != {"type", "schema"}:
            raise Unreadable(f"{name} is {field}")
    return {name: field["schema"] for name, field in fields.items()}


def _bare(schema: Schema) -> Schema:
    """Without what concerns the documentation alone."""
    return {name: value for name, value in schema.items() if name != "metadata"}


def _field(schema: Schema) -> str:
    if schema["type"] != "default":
        return f"Field(lambda value: {_read(schema)})"
    factory = schema.get("default_factory")
    default = factory.__name__ if factory in (dict, list) else f"lambda: {_literal(schema['default'])}"
    return f"Field(lambda value: {_read(schema['schema'])}, {default})"


def _read(schema: Schema, value: str = "value") -> str:
    """The expression that reads a value."""
    match _bare(schema):
        case {"type": "nullable", "schema": inner, **rest} if not rest:
            return f"None if {value} is None else {_read(inner, value)}"
        case {
            "type": "function-before",
            "function": {"type": "no-info", "function": function},
            "schema": inner,
            **rest,
        } if not rest:
            read = f"values.{_name(function)}({value})"
            plain = next((gives for gives, of, _ in _PLAIN if of == inner), None)
            return read if plain == typing.get_type_hints(function)["return"] else _read(inner, read)
        case {"type": "int", "strict": True, "gt": above, "le": at_most, **rest} if not rest:
            return f"values.whole({value}, {above}, {at_most})"
        case {"type": "bool", "strict": True, **rest} if not rest:
            return f"values.boolean({value})"
        case {"type": "str", "strict": True, **rest} if not rest:
            return f"values.string({value})"
        case {"type": "literal", "expected": expected, **rest} if not rest:
            return f"values.one_of({value}, {', '.join(map(_literal, expected))})"
    raise Unreadable(f"a field is {schema}")


def _type(schema: Schema) -> str:
    match schema:
        case {"type": "default" | "function-before", "schema": inner}:
            return _type(inner)
        case {"type": "nullable", "schema": inner}:
            return f"{_type(inner)} | None"
        case {"type": "int" | "bool" | "str" as kind}:
            return str(kind)
        case {"type": "literal", "expected": expected}:
            return f"Literal[{', '.join(map(_literal, expected))}]"
    return next(text for _, of, text in _PLAIN if of == schema)


def _name(function: Callable[..., object]) -> str:
    name = function.__name__
    if getattr(field_values, name, None) is not function:
        raise Unreadable(f"{name} is not in shared/web/field_values.py")
    return name


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
