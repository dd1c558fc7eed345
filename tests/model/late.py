"""The model's moves after the gateway's first word: customers, banks and people at the dashboard act, and the gateway rings."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from shared.gateways.facts import DisputeStatus, Event
from shared.late.answer import answer_now
from shared.platform import json_text
from shared.platform.database import DatabaseUnavailable
from shared.web.answers import Answer
from tests.model.bank import MOODS, Bank
from tests.model.doubles import WELL, Asked, FragileDatabase
from tests.model.truth import Charge, Refund
from tests.support.till import Died, Till

# What happens at one of these, as in the machine.
STATEMENTS = [
    "keep_said",
    "lease_ring",
    "lease_next_ring",
    "keep_read",
    "end_ring",
    "put_off_ring",
    "adopt_payment",
    "give_back_payment",
    "enter_refund",
    "reverse_refund",
    "follow_dispute",
]
moods = st.sampled_from(["well"] * len(MOODS) + list(MOODS))
accidents = st.sampled_from(
    [None] * 24 + [(name, what, after) for name in STATEMENTS for what in ("dies", "gone") for after in (False, True)]
)


class LateMoves(RuleBasedStateMachine):
    bank: Bank
    database: FragileDatabase
    till: Till
    asked: dict[str, Asked]
    freezes: str

    @rule(
        trip_id=st.integers(1, 6),
        first=st.sampled_from(["declined", "cancelled", "waits", "refunded"]),
        confirms=st.booleans(),
        rings=st.booleans(),
        mood=moods,
    )
    def the_bank_changes_its_word(self, trip_id: int, first: str, confirms: bool, rings: bool, mood: str) -> None:
        """Of a charge, or of a refund of the first payment; and it rings at once, or is heard of some time."""
        key = f"changes-{len(self.asked)}"
        if first == "refunded":
            self._ask(key, ("refund", 1, "0.01"), lambda: self.till.refund(1, "0.01", key), **WELL)
        else:
            present: dict[str, Any] = {"customer_present": True} if first == "waits" else {}
            content = ("pay", trip_id, "CARD", "10.00", bool(present))
            well = WELL | {"mood": "declined" if first == "declined" else "waits"}
            self._ask(key, content, lambda: self.till.pay(key, trip_id, "CARD", "10.00", **present), **well)
        newest = list(self.bank.truth.things.values())[-1]
        if isinstance(newest, Refund):
            self.bank.truth.comes_back(newest)
        elif isinstance(newest, Charge) and first == "waits":
            self.bank.truth.customer_acts(newest, confirms=confirms)
        elif isinstance(newest, Charge):
            self.bank.truth.turns_out_paid(newest)
        if rings:
            self.ring(self.bank.truth.events[-1], mood=mood, accident=None, freezes="")

    @precondition(lambda self: any(each.status == "waiting" for each in self.bank.truth.charges))
    @rule(data=st.data(), confirms=st.booleans())
    def a_customer_acts(self, data: st.DataObject, confirms: bool) -> None:
        waiting = [each for each in self.bank.truth.charges if each.status == "waiting"]
        self.bank.truth.customer_acts(data.draw(st.sampled_from(waiting)), confirms=confirms)

    @precondition(lambda self: any(each.status in ("declined", "canceled") for each in self.bank.truth.charges))
    @rule(data=st.data())
    def what_was_declined_turns_out_paid(self, data: st.DataObject) -> None:
        declined = [each for each in self.bank.truth.charges if each.status in ("declined", "canceled")]
        self.bank.truth.turns_out_paid(data.draw(st.sampled_from(declined)))

    @precondition(lambda self: any(each.status == "succeeded" for each in self.bank.truth.refunds))
    @rule(data=st.data())
    def a_refund_comes_back(self, data: st.DataObject) -> None:
        done = [each for each in self.bank.truth.refunds if each.status == "succeeded"]
        self.bank.truth.comes_back(data.draw(st.sampled_from(done)))

    @precondition(lambda self: any(each.status == "succeeded" for each in self.bank.truth.charges))
    @rule(
        data=st.data(),
        what=st.sampled_from(["refunded in the dashboard", "disputed", "asked about"]),
        amount=st.sampled_from(["0.01", "10.00", "36.50", "100.00"]),
    )
    def a_charge_is(self, data: st.DataObject, what: str, amount: str) -> None:
        charge = data.draw(st.sampled_from([each for each in self.bank.truth.charges if each.status == "succeeded"]))
        if what == "refunded in the dashboard":
            self.bank.truth.refund_in_dashboard(charge, Decimal(amount))
        else:
            self.bank.truth.open_dispute(charge, Decimal(amount), inquiry=what == "asked about")

    @precondition(lambda self: self.bank.truth.disputes)
    @rule(data=st.data(), status=st.sampled_from(get_args(DisputeStatus)))
    def a_dispute_moves(self, data: st.DataObject, status: DisputeStatus) -> None:
        self.bank.truth.move_dispute(data.draw(st.sampled_from(self.bank.truth.disputes)), status)

    @precondition(lambda self: self.bank.truth.events)
    @rule(
        data=st.data(), forged=st.booleans(), mood=moods, accident=accidents, freezes=st.sampled_from(["", "", "", "a"])
    )
    def the_bank_rings(self, data: st.DataObject, forged: bool, freezes: str, **circumstances: Any) -> None:
        """With any of its events, new or old: late, repeated, and out of order; or somebody else with one of their own."""
        event = data.draw(st.sampled_from(self.bank.truth.events))
        if forged:
            lie = {"event_id": f"forged_{event.event_id}", "succeeded": True, "charge_id": "charge_nothing"}
            event = event._replace(**lie)
        self.ring(event, freezes={"a": "after asking"}.get(freezes, ""), **circumstances)

    def _ask(
        self,
        key: str,
        content: tuple[object, ...],
        ask: Callable[[], Answer],
        mood: str,
        accident: Any,
        delivers: bool,
        freezes: str,
    ) -> None:
        """A client's request, and what must hold of its answer."""
        raise NotImplementedError

    def ring(self, event: Event, mood: str, accident: Any, freezes: str) -> None:
        """As the function that webhooks come to does it."""
        self.bank.mood, self.database.accident, self.freezes = mood, accident, freezes
        columns = event._asdict() | {"said": json_text.write(dict(event.said))}
        with suppress(Died, DatabaseUnavailable):
            [row] = self.database.run_again("keep_said", gateway=self.bank.name, source="webhook", **columns)
            if row["rang"] and event.kind is not None:
                answer_now(self.till.deps, self.bank.name, event.kind, event.object_id)
