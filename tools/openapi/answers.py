"""What every operation's description has in common: its answers' forms, and who may ask."""

from typing import Any

from tools.openapi.headers import ALWAYS, headers

Json = dict[str, Any]

MONEY = {**ALWAYS, "Cache-Control": "NotStored"}


def answer(description: str, content: Json, *named: dict[str, str], links: Json | None = None) -> Json:
    """A success: what it means, its forms, and the headers that it has beside those of every answer."""
    linked = {"links": links} if links else {}
    return {"description": description, "headers": headers(ALWAYS, *named), "content": content, **linked}


def json_of(schema: str, examples: Json) -> Json:
    """JSON of a schema, with examples by name: each a value, or an example with summary and value."""
    shown = {name: each if each.keys() == {"summary", "value"} else {"value": each} for name, each in examples.items()}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": shown}}


def text_of(content_type: str, example: str) -> Json:
    return {content_type: {"schema": {"type": "string"}, "example": example}}


def for_whom(permission: str) -> Json:
    """Who may ask. The service may also run open, which `{}` says; a document for both is one for every client."""
    return {"security": [{"bearer": [permission]}, {}]}


def for_everybody() -> Json:
    return {"security": []}
