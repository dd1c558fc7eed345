"""The OpenAPI document is equal to the code: routes, statuses, problem codes, headers, models; and its examples to itself."""

import json
import re
from collections.abc import Iterator
from typing import Any

import grimp
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.place import CHECKOUT
from shared.web.problems import TITLES
from shared.web.routes import ROUTES, endpoints
from tools.openapi.document import FILE, document
from tools.openapi.problems import ALL, FRONT_DOOR

Json = dict[str, Any]

DOCUMENT: Json = json.loads(FILE.read_text(encoding="utf-8"))
LISTENER = CHECKOUT / "knative" / "base" / "front-door" / "listener.yaml"
METHODS = ("get", "post", "put", "delete", "patch")
# What the modules that a function imports raise for other operations than its own, or where no operation is.
OF_OTHERS = {
    "create_payment": {"payment_not_found", "refund_declined"},
    "create_refund": {"payment_declined"},
    "get_payment": {"unsupported_media_type"},
    "gateway_webhook": {"payment_not_found", "payment_declined", "refund_declined"},
    "health": {"payment_not_found", "unsupported_media_type", "database_unavailable"},
    "metrics": {"payment_not_found", "unsupported_media_type"},
}
NOWHERE = {"not_found", "method_not_allowed"}
CALLERS = {"unauthorized", "invalid_token", "insufficient_scope", "issuer_unavailable"}


def resolved(part: Json) -> Json:
    """What a reference leads to."""
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def operations() -> Iterator[tuple[str, str, Json]]:
    """Path, method and description of each operation."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def answers() -> Iterator[tuple[str, str, Json]]:
    """A name, the status and the description of each answer of each operation, and of those that no operation gives."""
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            yield f"{method} {path} {status}", status, resolved(answer)
    for code in NOWHERE:
        name = "".join(word.capitalize() for word in code.split("_"))
        yield name, str(TITLES[code][0]), DOCUMENT["components"]["responses"][name]


def problems_in(answer: Json) -> list[Json]:
    """The examples of an answer that is a problem: one for each code."""
    return list(answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).values())


def codes_of(answer: Json) -> set[str]:
    """The problem codes that an answer may have."""
    return {example["value"]["code"] for example in problems_in(answer)}


def examples_of(part: Json) -> list[Any]:
    """The examples of a parameter, a header or a form of a body."""
    one = [part["example"]] if "example" in part else []
    return one + [each["value"] for each in part.get("examples", {}).values()] + part["schema"].get("examples", [])


def test_it_is_valid_and_made_from_the_code_as_it_is() -> None:
    assert json.loads(json.dumps(document())) == DOCUMENT
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_has_every_endpoint_of_a_client_and_no_other() -> None:
    assert {f"{method.upper()} {path}" for path, method, _ in operations()} == set(endpoints())


def test_each_code_is_described_under_its_status_with_its_title() -> None:
    described = set()
    for name, status, answer in answers():
        codes = codes_of(answer)
        assert {str(ALL[code][0]) for code in codes} <= {status}, name
        assert all(f"`{code}`" in answer["description"] for code in codes), name
        titles = {example["value"]["title"] for example in problems_in(answer)}
        assert titles == {ALL[code][1] for code in codes}, name
        described |= codes
    assert described == set(TITLES) | set(FRONT_DOOR)
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(described)


@pytest.mark.parametrize("function", OF_OTHERS)
def test_what_a_function_may_raise_is_what_its_operations_answer(function: str) -> None:
    described = set()
    for path, method, operation in operations():
        if any((method.upper(), path, function) == (each.method, each.template, each.function) for each in ROUTES):
            described |= {code for answer in operation["responses"].values() for code in codes_of(resolved(answer))}
    assert (
        described - set(FRONT_DOOR) - NOWHERE - CALLERS == raised_by(function) - OF_OTHERS[function] - NOWHERE - CALLERS
    )


def raised_by(function: str) -> set[str]:
    """The codes of the problems in the modules that a function imports, the front door's with any request among them."""
    graph = grimp.build_graph("functions", "shared", cache_dir=None)
    main = f"functions.{function}.main"
    codes = {"invalid_request"}
    for module in {main, *graph.find_upstream_modules(main)}:
        path = CHECKOUT / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        codes |= set(re.findall(r"\bProblem\(\s*\"(\w+)\"", file.read_text(encoding="utf-8")))
    return codes


def test_what_the_front_door_answers_by_itself_is_described() -> None:
    text = LISTENER.read_text(encoding="utf-8")
    told = re.findall(r'tell\("(\d+)", "(\w+)", "([^"]+)"', text)
    mapped = re.findall(r'type: "urn:payment-service:problem:(\w+)"\n\s+title: (.+)\n', text)
    statuses = dict(
        re.findall(r"default_value: (\d+), runtime_key: (?:(?!runtime_key)[\s\S])*?\n\s+code: (\w+)\n", text)
    )
    assert len(told) == 6
    for status, code, title in told:
        assert ALL[code] == (int(status), title)
    for code, title in mapped:
        assert ALL[code][1] == title
    assert {ALL[code][0] == int(status) for status, code in statuses.items()} == {True}
    assert {code for _, code, _ in told} | {code for code, _ in mapped} >= set(FRONT_DOOR)


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()), ids=lambda each: str(each)[:40])
def test_any_request_may_get_what_the_front_door_and_a_broken_function_answer(
    path: str, method: str, operation: Json
) -> None:
    everywhere = {"400", "408", "413", "414", "421", "429", "431", "500", "502", "503", "504"}
    assert everywhere <= operation["responses"].keys()
    wants = operation["security"] != []
    assert ({"401", "403"} <= operation["responses"].keys()) == wants


def test_operations_are_named_once_and_say_who_may_ask() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    wanted = {(route.method.lower(), route.template): route.permission for route in ROUTES}
    for path, method, operation in operations():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        match operation["security"]:
            case []:
                assert wanted[method, path] is None
            case [{"bearer": [permission]}, {}]:
                assert wanted[method, path] == permission
                assert f"Wants `{permission}`." in operation["description"]
            case other:
                pytest.fail(f"{method} {path} wants {other}")


def test_every_body_and_every_header_has_an_example() -> None:
    for name, _, answer in answers():
        for form in answer.get("content", {}).values():
            assert examples_of(form), name
        assert all(examples_of(resolved(header)) for header in answer["headers"].values()), name
    for path, _, operation in operations():
        for form in operation.get("requestBody", {"content": {}})["content"].values():
            assert len(examples_of(form)) >= 2, path


def test_every_example_is_what_its_schema_says_and_has_no_field_more() -> None:
    forms = [form for _, _, answer in answers() for form in answer.get("content", {}).values()]
    for path, _, operation in operations():
        forms += operation.get("requestBody", {"content": {}})["content"].values()
        forms += operation.get("parameters", []) + DOCUMENT["paths"][path].get("parameters", [])
    forms += DOCUMENT["components"]["headers"].values()
    assert len(forms) > 100
    for form in forms:
        whole = {"allOf": [form["schema"]], "unevaluatedProperties": False, "components": DOCUMENT["components"]}
        for example in examples_of(form):
            validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
            validator.validate(example)


def test_links_lead_to_operations_that_take_what_they_give() -> None:
    named = {operation["operationId"]: path for path, _, operation in operations()}
    leading = set()
    for path, method, operation in operations():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                assert "{payment_id}" in named[link["operationId"]]
                assert link["parameters"].keys() == {"path.payment_id"}
                leading.add((f"{method} {path}", link["operationId"]))
    follow = {target for start, target in leading if start == "post /payments"}
    assert follow >= {"get_payment", "create_refund", "list_refunds", "get_receipt"}


def test_it_is_served(serve: Any) -> None:
    answer = serve("health").ask("GET", "/v1/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.get_json() == DOCUMENT
