"""Disputes of the tests' own gateway, and what is drawn to come after a charge.

https://docs.stripe.com/disputes/how-disputes-work, https://docs.stripe.com/api/disputes/object
"""

import hashlib
from collections.abc import Collection

from tests.fakes.stripe_balance import DISPUTE_FEE
from tests.fakes.stripe_refunds import Refunds
from tests.fakes.stripe_requests import Refusal, Thing, shown

# What is drawn for a charge: once it is paid, somebody refunds it in the dashboard, or disputes it (an inquiry comes before a
# dispute, and may end without one); once it is cancelled, it turns out paid.
AFTERWARDS = ("dashboard_refund", "dispute", "inquiry", "revived")
EVIDENCE_SECONDS = 7 * 86400
MOVES = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "needs_response": ("under_review", "won", "lost"),
    "under_review": ("won", "lost"),
}
EVENTS = {
    "won": ("charge.dispute.funds_reinstated", "charge.dispute.closed"),
    "lost": ("charge.dispute.closed",),
    "warning_closed": ("charge.dispute.closed",),
    "needs_response": ("charge.dispute.updated", "charge.dispute.funds_withdrawn"),
}


class Disputes(Refunds):
    def open_dispute(self, intent_id: str, amount: int | None = None, *, inquiry: bool = False) -> Thing:
        """The bank asks about a charge (an inquiry), or takes the money, all of it unless `amount` says less."""
        with self.lock:
            intent = self.found(self.intents, intent_id)
            if intent["status"] != "succeeded":
                raise Refusal(400, "invalid_request_error")
            dispute = self.new("dp", "dispute", amount or intent["amount"], intent["currency"], {})
            due = {"due_by": int(self.now()) + EVIDENCE_SECONDS, "has_evidence": False, "past_due": False}
            dispute |= {
                "charge": intent["latest_charge"],
                "payment_intent": intent_id,
                "reason": "fraudulent",
                "status": "warning_needs_response" if inquiry else "needs_response",
                "is_charge_refundable": inquiry,
                "evidence_details": due | {"submission_count": 0},
            }
            self.disputes[dispute["id"]] = dispute
            self.events.write("charge.dispute.created", dispute)
            if not inquiry:
                self.events.write("charge.dispute.funds_withdrawn", dispute)
                self.balance.write("adjustment", dispute, -dispute["amount"], DISPUTE_FEE)
            return shown(dispute)

    def move_dispute(self, dispute_id: str, status: str) -> Thing:
        """A dispute goes on: won, lost, closed without one (warning_closed), or from an inquiry to one (needs_response)."""
        with self.lock:
            dispute = self.found(self.disputes, dispute_id)
            if status not in MOVES.get(dispute["status"], ()):
                raise Refusal(400, "invalid_request_error")
            refundable = status.startswith("warning_") or status == "won"
            events = EVENTS.get(status, ("charge.dispute.updated",))
            self.move(dispute, status, *events, is_charge_refundable=refundable)
            if status == "needs_response":
                self.balance.write("adjustment", dispute, -dispute["amount"], DISPUTE_FEE)
            elif status == "won":
                self.balance.write("adjustment", dispute, dispute["amount"])
            return shown(dispute)

    def dispute(self, dispute_id: str) -> Thing:
        return self.found(self.disputes, dispute_id)

    def happens_afterwards(self, intent: Thing, what: Collection[str]) -> None:
        if "dashboard_refund" in what:
            part = max(1, intent["amount"] // _choice(intent["id"], 3))
            self.later(self.afterwards_seconds, lambda: self.refund_in_dashboard(intent["id"], part))
        if "dispute" in what or "inquiry" in what:
            self.later(self.afterwards_seconds, lambda: self._dispute_by_itself(intent, inquiry="inquiry" in what))

    def _dispute_by_itself(self, intent: Thing, *, inquiry: bool) -> None:
        amount = max(1, intent["amount"] // _choice(intent["id"] + "dispute", 2))
        dispute = self.open_dispute(intent["id"], amount, inquiry=inquiry)
        self.later(self.afterwards_seconds, lambda: self._goes_on(dispute["id"]))

    def _goes_on(self, dispute_id: str) -> None:
        moves = MOVES.get(self.disputes[dispute_id]["status"])
        if moves:
            self.move_dispute(dispute_id, moves[_choice(dispute_id + moves[0], len(moves)) - 1])
            self.later(self.afterwards_seconds, lambda: self._goes_on(dispute_id))


def _choice(about: str, number: int) -> int:
    """From 1 to `number`, the same whenever it is about the same."""
    return hashlib.sha256(about.encode()).digest()[0] % number + 1
