"""Refunds of the tests' own gateway, also those of the dashboard, and those that come back (https://docs.stripe.com/refunds)."""

from tests.fakes.stripe_charges import Charges
from tests.fakes.stripe_ground import metadata
from tests.fakes.stripe_requests import Fields, Refusal, Thing, shown

# Of a charge in these a bank has taken the money back, or may: nothing of it is refunded.
HELD = ("needs_response", "under_review", "lost")
NEVER_WENT = ("failed", "canceled")
NEVER_MOVED = ("requires_action", "canceled")
UPDATED = ("refund.updated", "charge.refund.updated")


class Refunds(Charges):
    def create_refund(self, fields: Fields, mode: str) -> Thing:
        """Gives back part of a charge, never more in all than was charged."""
        given = dict(fields)
        with self.lock:
            refund = self._refund(given["payment_intent"], int(given["amount"]), metadata(given))
            if mode in ("pending", "pending_failed"):
                refund["status"] = "pending"
                ends = self._succeed if mode == "pending" else self.refund_fails
                self.later(self.processing_seconds, lambda: ends(refund["id"]))
            elif mode in ("failed", "canceled", "requires_action"):
                refund["status"] = mode
                refund["failure_reason"] = "expired_or_canceled_card" if mode == "failed" else None
            elif mode == "comes_back":
                self.later(self.processing_seconds, lambda: self.refund_fails(refund["id"]))
            self._write_created(refund)
            return shown(refund)

    def refund_in_dashboard(self, intent_id: str, amount: int | None = None) -> Thing:
        """What somebody gives back in the dashboard, all that is left unless they say how much: without our reference."""
        with self.lock:
            left = amount or self._left(self.found(self.intents, intent_id))
            refund = self._refund(intent_id, left, {})
            self._write_created(refund)
            return shown(refund)

    def refund_fails(self, refund_id: str) -> Thing:
        """The passenger's bank sends it back, or never took it: the money is on the account again."""
        with self.lock:
            refund = self.found(self.refunds, refund_id)
            if refund["status"] in NEVER_WENT:
                raise Refusal(400, "invalid_request_error")
            refund["_came_back"] = refund["status"] == "succeeded"
            moved = refund["status"] not in NEVER_MOVED
            self.move(refund, "failed", *UPDATED, "refund.failed", failure_reason="declined")
            if moved:
                self.balance.write("refund_failure", refund, refund["amount"])
            return shown(refund)

    def refund(self, refund_id: str) -> Thing:
        return self.found(self.refunds, refund_id)

    def _refund(self, intent_id: str, amount: int, names: dict[str, str]) -> Thing:
        self.catch_up()
        intent = self.intents.get(intent_id)
        if intent is None:
            raise Refusal(404, "invalid_request_error", "resource_missing")
        if intent["status"] != "succeeded":
            raise Refusal(400, "invalid_request_error", "payment_intent_unexpected_state")
        disputes = (dispute for dispute in self.disputes.values() if dispute["payment_intent"] == intent_id)
        if any(dispute["status"] in HELD for dispute in disputes):
            raise Refusal(400, "invalid_request_error", "charge_disputed")
        left = self._left(intent)
        if left == 0:
            raise Refusal(400, "invalid_request_error", "charge_already_refunded")
        if amount > left:
            raise Refusal(400, "invalid_request_error")
        refund = self.new("re", "refund", amount, intent["currency"], names)
        refund |= {"charge": intent["latest_charge"], "payment_intent": intent_id, "status": "succeeded"}
        self.refunds[refund["id"]] = refund
        return refund

    def _write_created(self, refund: Thing) -> None:
        """The money leaves the account as the refund is made, also where it is pending, and comes back where it fails."""
        self.events.write("refund.created", refund)
        if refund["status"] not in NEVER_MOVED:
            by_card = self.intents[refund["payment_intent"]]["payment_method_types"] == ["card"]
            self.balance.write("refund" if by_card else "payment_refund", refund, -refund["amount"])
        if refund["status"] == "failed":
            self.events.write("refund.failed", refund)
            self.balance.write("refund_failure", refund, refund["amount"])

    def _succeed(self, refund_id: str) -> None:
        refund = self.refunds[refund_id]
        if refund["status"] == "pending":
            self.move(refund, "succeeded", *UPDATED)

    def _left(self, intent: Thing) -> int:
        back = (refund for refund in self.refunds.values() if refund["payment_intent"] == intent["id"])
        return int(intent["amount"] - sum(refund["amount"] for refund in back if refund["status"] not in NEVER_WENT))
