"""What the tests' own gateway knows and decides: PaymentIntents, Refunds, Disputes, Events, and what it remembers of keys.

Written from Stripe's documentation, not from what this service does with it. The HTTP side is in gateway.py.
"""

from collections import defaultdict
from collections.abc import Iterable

from tests.fakes.stripe_elsewhere import Elsewhere
from tests.fakes.stripe_keys import Keys
from tests.fakes.stripe_lists import page
from tests.fakes.stripe_refunds import HELD
from tests.fakes.stripe_requests import Refusal, Thing, shown


class Books(Elsewhere):
    """All of one account."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.keys = Keys(self.now)

    def read(self, kind: str, thing_id: str, query: list[tuple[str, str]]) -> Thing:
        """One object, or a page of a list where there is no id. Refusal for what is not there."""
        things = {
            "payment_intents": self.intents,
            "charges": self.charges,
            "refunds": self.refunds,
            "disputes": self.disputes,
            "payouts": self.payouts,
        }
        with self.lock:
            self.catch_up()
            if kind == "events":
                return shown(self.events.one(thing_id)) if thing_id else self.events.list(query)
            if kind == "balance_transactions":
                return self.balance.one(thing_id, query) if thing_id else self.balance.list(query)
            if kind == "balance":
                return self.balance.shown()
            if kind not in things:
                raise Refusal(404, "invalid_request_error", "url_invalid")
            if thing_id:
                return shown(self.found(things[kind], thing_id))
            asked = dict(query)
            intent = asked.get("payment_intent")
            return page((t for t in things[kind].values() if intent in (None, t.get("payment_intent"))), asked)

    def accounts(self) -> Thing:
        """The truth of everything, in minor units: what a test counts at the end. Charges and refunds by our reference (by
        their own id where they bear none), everything of a charge by its id, keys, and how much is still to happen."""
        with self.lock:
            to_come = self.catch_up()
            return {
                "charges": _by_reference(self.intents.values()),
                "refunds": _by_reference(self.refunds.values()),
                "by_charge": self._by_charge(),
                "keys": self.keys.accounts(),
                "events": len(self.events.written),
                "balance": self.balance.sums(),
                "movements": len(self.balance.written),
                "to_come": to_come,
                "too_late": self.too_late,
            }

    def _by_charge(self) -> Thing:
        refunds, disputes = _of_intents(self.refunds), _of_intents(self.disputes)
        return {
            intent_id: {
                "reference": intent["metadata"].get("reference"),
                "currency": intent["currency"],
                "status": intent["status"],
                "paid": intent["amount_received"],
                "given_back": sum(each["amount"] for each in refunds[intent_id] if each["status"] == "succeeded"),
                "came_back": sum(each["amount"] for each in refunds[intent_id] if each.get("_came_back")),
                "disputed": sum(each["amount"] for each in disputes[intent_id] if each["status"] in HELD),
                "refunds": {each["id"]: _in_short(each) for each in refunds[intent_id]},
                "disputes": {each["id"]: _in_short(each) for each in disputes[intent_id]},
            }
            for intent_id, intent in self.intents.items()
        }


def _of_intents(things: dict[str, Thing]) -> dict[str, list[Thing]]:
    grouped: dict[str, list[Thing]] = defaultdict(list)
    for thing in things.values():
        grouped[thing["payment_intent"]].append(thing)
    return grouped


def _in_short(thing: Thing) -> Thing:
    reference = thing["metadata"].get("reference")
    came_back = thing.get("_came_back", False)
    return {"amount": thing["amount"], "status": thing["status"], "reference": reference, "came_back": came_back}


def _by_reference(things: Iterable[Thing]) -> dict[str, Thing]:
    accounts: dict[str, Thing] = {}
    for thing in things:
        empty: Thing = {
            "count": 0,
            "succeeded": 0,
            "amount": 0,
            "currency": thing["currency"],
            "statuses": [],
            "ids": [],
        }
        account = accounts.setdefault(thing["metadata"].get("reference") or thing["id"], empty)
        account["payment_id"] = thing["metadata"].get("payment_id")
        account["payment_intent"] = thing.get("payment_intent")
        account["count"] += 1
        account["statuses"].append(thing["status"])
        account["ids"].append(thing["id"])
        if thing["status"] == "succeeded":
            account["succeeded"] += 1
            account["amount"] += thing["amount"]
    return accounts
