"""What a row of the books came to, one after the other, as its events are called: for whoever counts events at the end."""

from typing import Any

CHARGED = ("SUCCESS", "REFUNDED")


def outcomes_of_payment(payment: dict[str, Any]) -> tuple[str, ...]:
    """One that was adopted had failed before."""
    if payment["status"] in CHARGED:
        return ("failed", "succeeded") if payment["late_charge_id"] else ("succeeded",)
    return ("failed",) if payment["status"] == "FAILED" else ()


def outcomes_of_refund(refund: dict[str, Any]) -> tuple[str, ...]:
    """That of a charge that was paid late has a name of its own."""
    done = "given_back" if refund["source"] == "late_payment" else "refunded"
    outcomes = {"REFUNDED": (done,), "REVERSED": (done, "reversed"), "FAILED": ("failed",)}
    return outcomes.get(refund["status"], ())
