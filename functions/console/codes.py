"""Words for the codes that people meet in the console."""

from typing import NamedTuple

# What gateways say where they decline: Stripe's codes (https://docs.stripe.com/declines/codes,
# https://docs.stripe.com/api/refunds/object#refund_object-failure_reason), the simulated gateway's, and our own.
FAILURES = {
    "amount_too_large": "The amount is more than the gateway charges",
    "amount_too_small": "The amount is less than the gateway charges",
    "approve_with_id": "The bank could not authorise it; it may be tried again",
    "authentication_expired": "The rider did not confirm it in time",
    "authentication_failed": "The rider did not confirm it",
    "authentication_required": "The bank wants the rider to confirm it",
    "balance_insufficient": "The gateway's account has not enough money",
    "call_issuer": "The bank declined and gives no reason",
    "card_declined": "The card was declined",
    "card_not_supported": "The card does not allow this kind of payment",
    "card_velocity_exceeded": "The card is over its limit",
    "charge_already_refunded": "The gateway has it as refunded already",
    "charge_disputed": "The rider disputes the charge with the bank",
    "charge_for_pending_refund_disputed": "The rider disputes the charge with the bank",
    "currency_not_supported": "The card does not allow this currency",
    "declined": "The bank refused it",
    "do_not_honor": "The bank declined and gives no reason",
    "duplicate_transaction": "The bank takes it for one that was just made",
    "expired_card": "The card has expired",
    "expired_or_canceled_card": "The card has expired or was cancelled",
    "fraudulent": "The bank suspects fraud",
    "gateway_unknown": "The gateway never heard of it, and it is too old to be asked for again",
    "generic_decline": "The bank declined and gives no reason",
    "incorrect_cvc": "The card's security code is wrong",
    "incorrect_number": "The card's number is wrong",
    "insufficient_funds": "There is not enough money on it",
    "invalid_account": "The card or its account is not valid",
    "issuer_not_available": "The bank could not be reached",
    "lost_card": "The card is reported lost",
    "lost_or_stolen_card": "The card is reported lost or stolen",
    "no_action_taken": "The bank declined and gives no reason",
    "not_permitted": "The bank does not permit it",
    "payment_intent_authentication_failure": "The rider did not confirm it",
    "pickup_card": "The card is reported lost or stolen",
    "processing_error": "The gateway erred while it charged",
    "refund_canceled": "The refund was cancelled at the gateway",
    "refund_failed": "The gateway could not give the money back",
    "restricted_card": "The card is restricted",
    "settled_by_hand": "Somebody settled it by hand as failed",
    "stolen_card": "The card is reported stolen",
    "transaction_not_allowed": "The bank does not allow it",
    "try_again_later": "The bank declined; it may be tried again later",
    "withdrawal_count_limit_exceeded": "The card is over its limit",
}

STATUSES = {"PENDING": "Pending", "SUCCESS": "Charged", "FAILED": "Failed", "REFUNDED": "Refunded"}

REFUND_STATUSES = {"PENDING": "Pending", "REFUNDED": "Refunded", "FAILED": "Failed", "REVERSED": "Came back"}

# How a status looks, besides its word.
TONES = {"PENDING": "open", "SUCCESS": "good", "FAILED": "bad", "REFUNDED": "plain"}

REFUND_TONES = {"PENDING": "open", "REFUNDED": "good", "FAILED": "bad", "REVERSED": "bad"}

# Who asked for a refund, where no client did.
REFUND_SOURCES = {"gateway": "Made at the gateway", "late_payment": "Of a charge that was paid late"}

# What a gateway said when it was asked, as an asking is kept.
SAYINGS = {
    "succeeded": "Succeeded",
    "declined": "Declined",
    "unknown": "No final answer",
    "never_heard": "Never heard of it",
    "waiting": "Waits for the customer",
}

DISPUTES = {"INQUIRY": "Inquiry", "OPEN": "Open", "WON": "Won", "LOST": "Lost", "WITHDRAWN": "Withdrawn"}

# How it came to us what a gateway said by itself.
HEARD = {"webhook": "by webhook", "list": "in its list of events", "read": "when it was read"}


class Verdict(NamedTuple):
    """What a difference is called, and what to do about it."""

    name: str
    advice: str


# What reconciliation says of a movement that is not alike.
VERDICTS = {
    "amount_differs": Verdict(
        "Amount differs",
        "Compare the charge or refund in the gateway's own pages with the payment. The books do not follow by themselves: "
        "what is too much goes back from there, and what is too little is a loss to book.",
    ),
    "missing_here": Verdict(
        "Missing here",
        "The gateway moved it, and the books do not know of it. What bears a reference of ours was lost with the books: "
        "make reconcile ADOPT=… enters it again. Anything else somebody moved without this service.",
    ),
    "missing_there": Verdict(
        "Missing there",
        "The books have it, and the gateway does not. See whether it was made with another account, then ask the gateway.",
    ),
    "status_differs": Verdict(
        "Status differs",
        "One side has it as done, and the other as failed. “Ask again now” on the payment's page reads what it is.",
    ),
}

# The accounts of the journal, and what its entries are of.
ACCOUNTS = {
    "gateway_receivable": "With the gateway",
    "cash_with_drivers": "Cash with drivers",
    "bank": "Bank",
    "revenue": "Revenue",
    "refunds": "Refunds",
    "disputes": "Disputes",
    "fees": "Fees",
    "drivers_payable": "Owed to drivers",
    "late_payments": "Paid late",
}
ENTRIES = {
    "charge": "Charge",
    "refund": "Refund",
    "reversal": "Refund that came back",
    "late": "Charge that was paid late",
    "dispute": "Dispute",
    "fee": "Fee of the gateway",
}

MOVEMENT_KINDS = {
    "charge": "Charge",
    "refund": "Refund",
    "refund_failure": "Refund that came back",
    "dispute": "Dispute",
    "fee": "Fee",
    "payout": "Payout",
    "other": "Something else",
}

METHODS = {"CARD": "Card", "UPI": "UPI", "WALLET": "Wallet", "CASH": "Cash"}


def gateway(name: str | None) -> str:
    """What people call a gateway; nobody charged a row of history."""
    return name.capitalize() if name else "None (history)"


def failure(code: str | None) -> str:
    """What a failure code means, with the code itself; only the code where its meaning is not known."""
    meaning = FAILURES.get(code or "")
    return f"{meaning} ({code})" if meaning else code or "no reason given"


FARE = {"base_fare": "Base fare", "distance": "Distance", "surge": "Surge", "rounding": "Rounding"}
