"""Stripe's own books: its balance transactions, one for whatever moves money into the account or out of it.

https://docs.stripe.com/api/balance_transactions/list, https://docs.stripe.com/reports/balance-transaction-types
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from shared.gateways.facts import DisputeFact, Movement, MovementKind, MovementPage, RefundFact
from shared.gateways.protocol import Unknown
from shared.gateways.stripe import facts, listing
from shared.gateways.stripe.api import Api, Deadline, code_or_id, moment
from shared.gateways.stripe.money import currency_of, moved_of_minor_units, of_minor_units
from shared.platform.log import log

TRANSACTIONS = "/v1/balance_transactions"
# What moved stands in the list as a whole, so that a page is one request: https://docs.stripe.com/expand#lists
_WITH_ITS_SOURCE = ("expand[]", "data.source")
# By the type of the transaction and the object that it names. `payment` is a charge that no card paid, and an adjustment is of
# a dispute or of a refund that failed: https://docs.stripe.com/reports/reporting-categories.
_KINDS: Mapping[tuple[str, str], MovementKind] = {
    ("charge", "charge"): "charge",
    ("payment", "charge"): "charge",
    ("refund", "refund"): "refund",
    ("payment_refund", "refund"): "refund",
    ("refund_failure", "refund"): "refund_failure",
    ("payment_failure_refund", "refund"): "refund_failure",
    ("adjustment", "refund"): "refund_failure",
    ("adjustment", "dispute"): "dispute",
    ("payout", "payout"): "payout",
    ("payout_failure", "payout"): "payout",
    ("payout_cancel", "payout"): "payout",
}
# Fees that stand alone; Stripe calls some adjustments and network costs so by their category only.
_FEES = ("stripe_fee", "stripe_fx_fee", "tax_fee")
_CATEGORIES_OF_FEES = ("fee", "network_cost")
# https://docs.stripe.com/api/charges/object#charge_object-status: what failed may be paid by another try, until it is canceled.
_CHARGES: Mapping[str, str] = {"succeeded": "succeeded", "pending": "open", "failed": "open"}
# https://docs.stripe.com/api/payouts/object#payout_object-status
_PAYOUTS = ("paid", "pending", "in_transit", "canceled", "failed")


class _NotUnderstood(Exception):
    """A field, which the message names, is missing or not what it should be."""


class _Object(NamedTuple):
    """What a transaction says that moved, as far as it says so: by what it is called here, and as Movement has it."""

    type: str = ""
    object_id: str | None = None
    charge_id: str | None = None
    reference: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    status: str | None = None


def read(api: Api, since: datetime, until: datetime, after: str | None, deadline: Deadline) -> MovementPage | Unknown:
    """A page of what moved in that time, newest first, whether it can be paid out yet or not. Where it is not understood how
    much moved and when, the page is an Unknown that names the transaction; where only what moved is not, that is left out and
    logged. Raises nothing."""
    query = [*listing.made_within(since, until), _WITH_ITS_SOURCE]
    page = listing.page_of(api, TRANSACTIONS, query, after, deadline)
    if isinstance(page, Unknown):
        return page
    movements: list[Movement] = []
    for each in page.objects:
        transaction = each if isinstance(each, dict) else {}
        try:
            movements.append(_movement(transaction))
        except _NotUnderstood as field:
            called = code_or_id(transaction.get("id"))
            return Unknown(f"Stripe's balance transaction {called} has no {field} that is understood")
    return MovementPage(movements, page.last)


def _movement(transaction: dict[str, Any]) -> Movement:
    called, at = code_or_id(transaction.get("id")), moment(transaction.get("created"))
    if called is None or at is None:
        raise _NotUnderstood("id" if called is None else "created")
    currency = currency_of(transaction)
    if currency is None:
        raise _NotUnderstood("currency")
    moved = _object(transaction.get("source"), called)
    return Movement(
        movement=called,
        kind=_kind(transaction, moved.type),
        at=at,
        object_id=moved.object_id,
        charge_id=moved.charge_id,
        reference=moved.reference,
        amount=_money(transaction, "amount", currency),
        fee=_money(transaction, "fee", currency),
        currency=currency,
        object_amount=moved.amount,
        object_currency=moved.currency,
        status=moved.status,
    )


def _kind(transaction: dict[str, Any], object_type: str) -> MovementKind:
    type_ = code_or_id(transaction.get("type")) or ""
    if type_ in _FEES or transaction.get("reporting_category") in _CATEGORIES_OF_FEES:
        return "fee"
    return _KINDS.get((type_, object_type), "other")


def _object(source: object, called: str) -> _Object:
    """What the source of a transaction says. It has none where Stripe itself takes a fee; one that Stripe does not show, or
    that is not understood, keeps its name, and the log tells it."""
    if source is None:
        return _Object()
    found = source if isinstance(source, dict) else {"id": source}
    type_ = code_or_id(found.get("object")) or ""
    moved = _READ.get(type_, _other)(found)
    if type_ == "" or (type_ in _READ and moved.status is None):
        about = {"gateway": "stripe", "movement": called, "object": moved.object_id}
        log.warning("what a movement of the gateway is about is not understood", extra=about)
    return moved._replace(type=type_)


def _charge(charge: dict[str, Any]) -> _Object:
    """A charge is known by its intent, if it has one; what it bears of ours was copied from there as it was made:
    https://support.stripe.com/questions/how-metadata-works-with-related-objects"""
    amount, currency = _object_money(charge)
    charge_id = code_or_id(charge.get("payment_intent")) or code_or_id(charge.get("id"))
    status = _CHARGES.get(code_or_id(charge.get("status")) or "")
    return _Object("", charge_id, charge_id, facts.reference(charge), amount, currency, status)


def _refund(refund: dict[str, Any]) -> _Object:
    fact = facts.of("refund", refund)
    if not isinstance(fact, RefundFact):
        return _other(refund)
    return _Object("", fact.gateway_id, fact.charge_id, fact.reference, fact.amount, fact.currency, fact.status)


def _dispute(dispute: dict[str, Any]) -> _Object:
    fact = facts.of("dispute", dispute)
    if not isinstance(fact, DisputeFact):
        return _other(dispute)
    return _Object("", fact.gateway_id, fact.charge_id, None, fact.amount, fact.currency, fact.status)


def _payout(payout: dict[str, Any]) -> _Object:
    status = payout.get("status")
    return _other(payout)._replace(status=status if status in _PAYOUTS else None)


def _other(found: dict[str, Any]) -> _Object:
    return _Object(object_id=code_or_id(found.get("id")))


_READ: Mapping[str, Callable[[dict[str, Any]], _Object]] = {
    "charge": _charge,
    "refund": _refund,
    "dispute": _dispute,
    "payout": _payout,
}


def _money(transaction: dict[str, Any], name: str, currency: str) -> Decimal:
    moved = moved_of_minor_units(transaction.get(name), currency)
    if moved is None:
        raise _NotUnderstood(name)
    return moved


def _object_money(found: dict[str, Any]) -> tuple[Decimal | None, str | None]:
    """An amount and its currency, or neither."""
    currency = currency_of(found)
    amount = currency and of_minor_units(found.get("amount"), currency)
    return (amount, currency) if amount else (None, None)
