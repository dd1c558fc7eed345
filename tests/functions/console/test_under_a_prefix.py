"""The console of one of several cells: every page of it stays in the cell, and is the same page otherwise."""

import re
import uuid
from typing import Any

import pytest

from local.place import CHECKOUT
from shared.rules.cells import read_cells
from tests.functions.console.conftest import OURS, Shown, Visitor
from tests.sql.rows import a_dispute, a_key, a_movement, a_payment, a_reconciliation, a_refund, an_event
from tests.support.cluster import Place
from tests.support.till import a_caller

PREFIX = "/cells/mumbai"
PREFIXED = {"X-Forwarded-Prefix": PREFIX}
FRAGMENT = {"HX-Request": "true"}
TEMPLATES = CHECKOUT / "functions" / "console" / "templates"
OLD = "2020-01-01Z"
# Where a browser goes from a page, and what it loads: attributes, and what a page says in its head.
WAYS = ("href", "action", "src", "formaction", "hx-get", "hx-post")
# In a template, one without what stands before it; but for places within a page, the page of all cells, and what is elsewhere:
# a gateway's or a provider's own pages, and other cells.
WITHOUT_BASE = re.compile(
    rf'\b(?:{"|".join(WAYS)})="(?!{{{{ base }}}}|#|data:|/console"'
    r"|\{\{ (?:dashboard|there|elsewhere|each\.address|prefix) \}\})"
)
# What differs each time that a page is made.
OF_THE_MOMENT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+ (ms|seconds?)\b|\d\d?:\d\d:\d\d")


@pytest.fixture
def addresses(visitor: Visitor, place: Place) -> list[str]:
    """Those of every kind of page, over rows of every kind."""
    visitor.till.change(cell_name="mumbai", k_sink="http://sink.example/")
    pending = a_payment(place.sql, status="PENDING", reference="PAY-OPEN", gateway="scripted", created_at=OLD)
    a_key(place.sql, pending, created_at=OLD, asked=4)
    declined = a_payment(place.sql, status="FAILED", failure_code="card_declined")
    charged = a_payment(place.sql, gateway="scripted", gateway_id="ch_1", refunded_amount="10.00")
    a_refund(place.sql, charged)
    a_dispute(place.sql, charged, status="OPEN", evidence_due_by="tomorrow")
    an_event(place.sql, "undelivered", subject=f"payments/{charged}", created_at=OLD, attempts=3)
    an_event(place.sql, "refused", attempts=6, refusals=5, refused_at="now", next_attempt_at="infinity")
    differs = a_reconciliation(place.sql, movements=60, differences=60, from_at="yesterday", to_at="today")
    for number in range(60):
        a_movement(place.sql, differs, f"txn_{number:02}", payment_id=charged)
    for number in range(60):
        a_payment(place.sql)
        a_reconciliation(place.sql, account=f"acct_{number}", movements=0, differences=0)
    form, paid = uuid.uuid4(), f"/console/payments/{charged}"
    return [
        *("/console", "/console?period=hour", "/console?period=week&at=2026-11-22", "/console?period=month"),
        *("/console?period=never", "/console/payments", "/console/payments?status=SUCCESS", "/console/payments?from=x"),
        *(paid, f"/console/payments/{pending}", f"/console/payments/{declined}", "/console/payments/999999"),
        *(f"{paid}/refund?form={form}", f"{paid}/refund/confirm?form={form}&amount=1.00&reason=Late"),
        *(f"{paid}/refund/confirm?form={form}&amount=9999", f"/console/payments/{declined}/refund?form={form}"),
        *("/console/reconciliation", f"/console/reconciliation/{differs}", "/console/attention"),
        *("/console/attention/count", "/console/settle/PAY-OPEN", "/console/settle/PAY-NONE"),
    ]


def ways(page: Shown) -> list[str]:
    """Every address that a page of ours leads to, or loads, but for places within it."""
    found = [str(value) for _, attributes in page.tags for name, value in attributes.items() if name in WAYS]
    found += re.findall(r'content="0; url=([^"]+)"', page.html)
    return [each for each in found if not each.startswith(("#", "data:", "https://dashboard.example/"))]


def moment_aside(html: str) -> str:
    return OF_THE_MOMENT.sub("…", html)


def test_every_way_on_stays_in_the_cell_and_the_page_is_the_same_otherwise(
    visitor: Visitor, addresses: list[str]
) -> None:
    of_scripts = [
        address for address in addresses if address in ("/console", "/console/payments", "/console/attention")
    ]
    for address, headers in [*((each, {}) for each in addresses), *((each, FRAGMENT) for each in of_scripts)]:
        plain, prefixed = visitor.get(address, headers), visitor.get(address, {**headers, **PREFIXED})
        strayed = [way for way in ways(prefixed) if not way.startswith(f"{PREFIX}/console")]
        assert strayed == [], address
        assert PREFIX not in plain.html, address
        without = prefixed.html.replace(f"{PREFIX}/console", "/console")
        assert moment_aside(without) == moment_aside(plain.html), address


def test_no_template_has_an_address_without_what_stands_before_it() -> None:
    """Also where no test has such a page."""
    for template in TEMPLATES.glob("*.html"):
        assert WITHOUT_BASE.findall(template.read_text(encoding="utf-8")) == [], template


def test_what_is_refused_leads_back_into_the_cell(visitor: Visitor, addresses: list[str]) -> None:
    refused: list[Shown] = [visitor.post("/console/settle/PAY-OPEN", PREFIXED)]
    visitor.caller = a_caller("alice")
    refused.append(visitor.post("/console/sign-out", {**PREFIXED, **OURS}))
    for page in (*refused, visitor.get("/console", PREFIXED)):
        assert ways(page)
        assert all(way.startswith(f"{PREFIX}/console") for way in ways(page))


def test_a_page_that_leads_to_another_leads_into_the_cell(visitor: Visitor, payment_id: int) -> None:
    visitor.till.change(cell_name="mumbai")
    here = f"/console/payments/{payment_id}"
    asked = [
        visitor.ask_for(f"/console/payments?q={payment_id}&status=", PREFIXED),
        visitor.ask_for(f"{here}/refund", PREFIXED),
        visitor.ask_for("/console/sign-in?next=/console/attention", PREFIXED),
        visitor.ask_for("/console/signed-in", PREFIXED),
    ]
    form = str(uuid.uuid4())
    for path, fields in (("refund", {"form": form, "amount": "1.00"}), ("ask", {})):
        posted = visitor.post(f"{here}/{path}", {**OURS, **PREFIXED}, **fields)
        asked.append(posted.answer)
    assert [answer.headers["Location"].partition("form=")[0] for answer in asked] == [
        f"{PREFIX}/console/payments?q={payment_id}",
        f"{PREFIX}{here}/refund?",
        f"{PREFIX}/console/attention",
        f"{PREFIX}/console",
        f"{PREFIX}{here}/refund?",
        f"{PREFIX}{here}?asked=yes",
    ]


def test_a_prefix_that_is_not_this_cell_s_is_none(visitor: Visitor) -> None:
    names: list[dict[str, Any]] = [{}, {"cell_name": "delhi", "cells": read_cells("mumbai=1,delhi=0")}]
    for changes in names:
        visitor.till.change(**changes)
        page = visitor.get("/console/payments", PREFIXED)
        assert all(way.startswith("/console") for way in ways(page))
        assert "mumbai" not in page.html


def test_the_head_leads_to_the_same_section_of_the_other_cells(visitor: Visitor, payment_id: int) -> None:
    visitor.till.change(cell_name="mumbai", cells=read_cells("mumbai=0,delhi=2"))

    def chosen(address: str) -> list[str | None]:
        page = visitor.get(address, PREFIXED)
        (here,) = [each["href"] for each in page.all("a") if each.get("aria-current") == "true"][:1]
        assert str(here).startswith(PREFIX)
        return [each for each in page.links if str(each).startswith("/cells/delhi")] + [page.links[3]]

    for address, there in {
        "/console": "/console",
        "/console?period=week&at=2026-11-22": "/console?period=week&at=2026-11-22",
        "/console/payments?status=FAILED": "/console/payments",
        f"/console/payments/{payment_id}": "/console/payments",
        "/console/reconciliation": "/console/reconciliation",
        "/console/attention": "/console/attention",
        "/console/settle/PAY-NONE": "/console",
    }.items():
        assert chosen(address) == [f"/cells/delhi{there}", "/console"], address
    assert "Cell: mumbai" in visitor.get("/console/payments", PREFIXED).text
    assert "delhi" not in visitor.get("/console/payments").html, "at its own address there is no other"
