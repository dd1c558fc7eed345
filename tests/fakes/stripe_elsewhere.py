"""What happens at the tests' own gateway without us: charges of others, payouts, fees; and mistakes in its books.

https://docs.stripe.com/api/payouts/object, https://docs.stripe.com/reports/reporting-categories
"""

from tests.fakes.stripe_disputes import Disputes
from tests.fakes.stripe_requests import Refusal, Thing, shown


class Elsewhere(Disputes):
    def charge_elsewhere(
        self, amount: int, currency: str = "inr", metadata: dict[str, str] | None = None, method: str = "card"
    ) -> Thing:
        """A charge that this service never asked for, paid at once; `metadata` may be like ours."""
        names = [(f"metadata[{name}]", value) for name, value in (metadata or {}).items()]
        fields = [("amount", str(amount)), ("currency", currency), ("payment_method_types[]", method), *names]
        with self.lock:
            intent = self.intents[self.create_intent(fields, "")["id"]]
            self._pay(intent)
            return shown(intent)

    def pay_out(self, amount: int | None = None, currency: str = "inr") -> Thing:
        """What the account has, or so much of it, goes to the bank."""
        with self.lock:
            payout = self.new("po", "payout", amount or self.balance.sums().get(currency, 0), currency, {})
            payout |= {"automatic": amount is None, "status": "paid", "type": "bank_account"}
            self.payouts[payout["id"]] = payout
            self.balance.write("payout", payout, -payout["amount"])
            return shown(payout)

    def payout_fails(self, payout_id: str) -> Thing:
        """The bank sends a payout back."""
        with self.lock:
            payout = self.found(self.payouts, payout_id)
            if payout["status"] == "failed":
                raise Refusal(400, "invalid_request_error")
            payout |= {"status": "failed", "failure_code": "account_closed"}
            self.balance.write("payout_failure", payout, payout["amount"])
            return shown(payout)

    def take_fee(self, amount: int, currency: str = "inr") -> Thing:
        """Stripe takes a fee that is of no charge."""
        with self.lock:
            return shown(self.balance.write("stripe_fee", None, -amount, currency=currency))

    def change(self, thing_id: str, **changed: object) -> Thing:
        """Another `amount`, `status` or whatever of an object, without a word of it: of a charge, refund or dispute also what
        moved for it; of a transaction only that."""
        with self.lock:
            for moved in self.balance.of(thing_id):
                if isinstance(amount := changed.get("amount"), int):
                    moved["amount"] = amount if moved["amount"] > 0 else -amount
                    moved["net"] = moved["amount"] - moved["fee"]
                if not thing_id.startswith("txn_"):
                    moved["_source"] |= _of_charges(changed) if thing_id in self.intents else changed
            for things in (self.intents, self.refunds, self.disputes, self.payouts):
                if thing_id in things:
                    things[thing_id] |= changed
                    return shown(things[thing_id])
            return {"id": thing_id}

    def drop_movement(self, thing_id: str) -> Thing:
        """What moved for an object, or one transaction, is in the books no more."""
        with self.lock:
            dropped = self.balance.of(thing_id)
            if not dropped:
                raise Refusal(404, "invalid_request_error", "resource_missing")
            for moved in dropped:
                self.balance.drop(moved)
            return {"dropped": [moved["id"] for moved in dropped]}


def _of_charges(changed: dict[str, object]) -> dict[str, object]:
    """What is changed of an intent, as its charge has it: a charge is succeeded, pending or failed."""
    status = {"succeeded": "succeeded", "processing": "pending"}.get(str(changed.get("status")), "failed")
    return changed | ({"status": status} if "status" in changed else {})
