"""Parameters for every named statement: those whose plan and whose pages are looked at."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.reading.figures import MOST_EXAMINED
from shared.reading.totals import MOST_COUNTED
from shared.rules.identifiers import GREATEST_ID
from shared.rules.states import METHODS, STATUSES
from tests.sql.rows import CLAIM

KEY = bytes(32)
NEW = CLAIM | {"trip_id": 1_000_001, "reference": "PAY-new", "key_hash": bytes(31) + b"\1"}
REFUND = {
    "payment_id": 7,
    "amount": None,
    "gateways": ["cash", "stripe"],
    "accounts": ["cash", "acct_1/live"],
    "not_in": ["JPY"],
    "reason": None,
    "metadata": "{}",
    "reference": "REF-new",
}
LISTING: dict[str, Any] = {
    "statuses": list(STATUSES),
    "methods": list(METHODS),
    "from": "-infinity",
    "to": "infinity",
    "before": "infinity",
    "before_id": GREATEST_ID,
    "limit": 21,
}
SEARCH = LISTING | {"trip_id": None, "gateway": None, "least": None, "most": None, "looked": 51, "limit": 51}
COUNTED = {name: LISTING[name] for name in ("statuses", "methods", "from", "to")} | {"trip_id": None, "most": 100_001}
SETTLE = {
    "key_hash": KEY,
    "payment_id": 500,
    "refund_id": 7,
    "status": "SUCCESS",
    "failure_code": None,
    "gateway_id": None,
    "key_ttl": 1,
    "asked_ms": 12,
    "actor": "sweep",
}
ASKED: dict[str, Any] = {
    "payment_id": 500,
    "refund_id": None,
    "asked": 2,
    "asked_by": None,
    "hows": ["charge", "find"],
    "saids": ["unknown", "succeeded"],
    "codes": [None, None],
    "whys": ["time-out", None],
    "gateway_ids": [None, "pi_1"],
    "durations": [10_000, 200],
}
LOOKED = {name: value[:1] if isinstance(value, list) else value for name, value in ASKED.items()}
LEASED = {"key_hash": KEY, "lease_seconds": 60}
RELEASED = {"key_hash": KEY, "locked_at": "now", "pause": 5, "gateway_id": "pi_1", "search_cursor": "x"}
RELEASED |= {"next_action": '{"kind":"redirect"}', "act_by": "tomorrow"}
AUDIT = {"actor": "a", "outcome": "failed", "reason": "r", "gateway_said": "g", "gateway_id": "pi_1"}
AUDIT |= {"forced": False, "key_hash": KEY}
ENTERED = {
    "payment_id": 7,
    "amount": 1,
    "reference": "REF-new",
    "correlation_id": "c",
    "gateway_id": "re_new",
    "actor": "a",
}
ENTERED |= {"gateway_said": "g", "key_hash": bytes(31) + b"\2", "lease_seconds": 60}
ENTERED |= {"fingerprint": bytes(32), "source": "gateway", "reason": "made at the gateway"}
LOST_CHARGE = {
    "payment_id": None,
    "trip_id": 7,
    "amount": 1,
    "currency": "INR",
    "method": "CARD",
    "reference": "PAY-lost",
}
LOST_CHARGE |= {
    "gateway": "stripe",
    "gateway_id": "pi_lost",
    "gateway_account": "acct_1",
    "created_at": "2026-11-20T08:00:00Z",
}
ENTERED_PAYMENT = {"lost": json.dumps(LOST_CHARGE), "key_hash": bytes(31) + b"\3", "fingerprint": bytes(32)}
ENTERED_PAYMENT |= {"actor": "asha@ops-1", "reason": "restored", "gateway_said": "g"}
FAILED = {"event_ids": ["PAY-500", "PAY-1000"], "refused": [0, 1], "whys": ["the sink said 500", "the sink said 422"]}
FAILED |= {"tried": 1, "most_refusals": 5, "pause": 5, "longest_pause": 60}
DELETED = {"limit": 1000, "passed_over": 0, "retention": 50_000}
STARTS = [datetime.now(UTC) + timedelta(hours=hours) for hours in (-24, 0, 24)]
PERIOD = {"from": "yesterday", "to": "tomorrow"}
OF_A_PERIOD = PERIOD | {"currency": "INR", "methods": list(METHODS), "most": MOST_EXAMINED}
RUNG = {"gateway": "stripe", "kind": "charge", "object_id": "pi_7"}
LATE = {"payment_id": 500, "gateway_id": "pi_1", "actor": "sweep"}
SAID = {"source": "webhook", "event_id": "evt_1", "type": "t", "charge_id": "pi_7", "succeeded": True, "said": "{}"}
DISPUTE = {
    "gateway": "scripted",
    "gateway_id": "du_7",
    "charge_id": "pi_7",
    "reference": "PAY-7",
    "amount": 1,
    "currency": "INR",
    "status": "OPEN",
    "before": ["INQUIRY", "WITHDRAWN"],
    "reason": "fraudulent",
    "evidence_due_by": "tomorrow",
    "opened_at": "yesterday",
}
RECONCILED = {"reconciliation_id": 1, "run": 1}
HELD = RECONCILED | {"working_until": "tomorrow", "lease_seconds": 60}
BETWEEN = {"from_at": "yesterday", "to_at": "tomorrow"}
A_MOVEMENT = """[{"movement": "txn_7", "kind": "charge", "at": "2026-11-26T00:00:00Z", "object_id": "pi_7", "currency": "INR",
 "payment_id": 7, "their_amount": 1, "our_amount": 1, "fee": "0.03", "verdict": "matched", "booked_as": "fee txn_7",
 "booked_bank": "0", "booked_fees": "0.03"}]"""
SAMPLES: dict[str, dict[str, Any]] = {
    "adopt_payment": LATE,
    "beside_movements": {
        "gateway": "simulated",
        "movements": ["txn_7", "txn_8", "txn_9"],
        "object_kinds": ["charge", "refund", "dispute"],
        "object_ids": ["pi_7", "re_8", "du_9"],
        "charge_ids": ["pi_7", "pi_8", "pi_9"],
        "references": ["PAY-7", "REF-8", None],
    },
    "cash_by_day": BETWEEN | {"zone": "Asia/Kolkata"},
    "differences_of": {"reconciliation_id": 1, "after": "txn_5", "limit": 20},
    "entries_not_seen": BETWEEN
    | RECONCILED
    | {"gateway": "simulated", "account": "acct_1", "after_at": "yesterday", "after_id": 7, "limit": 500},
    "finish_reconciliation": HELD | {"count": 7, "differences": 1, "not_yet_due": 1},
    "hold_reconciliation": HELD,
    "keep_movements": HELD | {"phase": "gateway", "place": "txn_7", "movements": A_MOVEMENT},
    "lease_reconciliation": BETWEEN
    | {"gateway": "stripe", "account": "acct_1", "lease_seconds": 60, "done_since": "infinity"},
    "movements_of": {"reconciliation_id": 1, "after": "txn_5", "limit": 1_000},
    "reconciled_times": {"gateway": "stripe", "account": "acct_1", "since": "yesterday", "today": "today"},
    "settle_movements": RECONCILED | {"after": "txn_5", "limit": 5_000},
    "asked_about": {"payment_id": 7, "refund_id": 7},
    "audit": AUDIT,
    "charge_at_once": NEW,
    "cold_starts": {},
    "commits_waiting": {},
    "contradict": AUDIT | {"payment_id": 500, "refund_id": 7, "outcome": "succeeded", "stored": "stored as FAILED"},
    "contradictions": {"looked": 5_000, "limit": 50},
    "count_searched": COUNTED,
    "declines": {"methods": list(METHODS), "limit": 1_000},
    "needs_attention": {"age": 60, "recent": 604_800, "looked": 5_000, "limit": 100},
    "search_named": {"payment_id": 7, "reference": "PAY-7", "gateway_id": "pi_7", "limit": 50},
    "search_payments": SEARCH,
    "undelivered_events": {"age": 60, "limit": 50},
    "claim_payment": NEW,
    "claim_refund": NEW | REFUND,
    "declines_by_code": OF_A_PERIOD,
    "delete_expired_keys": DELETED,
    "delete_old_events": DELETED,
    "delete_unsent_events": DELETED,
    "differing": {"looked": 5_000, "most_counted": 100, "limit": 50},
    "disputes_of": {"payment_id": 7, "limit": 50},
    "events": {"event_ids": ["PAY-500", "PAY-1000"]},
    "end_ring": RUNG | {"rings": 1},
    "charges_not_here": {"gateway": "stripe", "gateway_ids": ["pi_7", "pi_new"], "references": ["PAY-7", "PAY-new"]},
    "enter_payment": ENTERED_PAYMENT,
    "enter_refund": ENTERED,
    "fare_of_trip": {"trip_id": 7},
    "events_that_wait": {"event_ids": ["PAY-500", "PAY-1000"]},
    "figures": PERIOD | {"starts": STARTS},
    "figures_since": {},
    "give_back_payment": LATE | {"reference": "REF-late", "lease_seconds": 60},
    "follow_dispute": DISPUTE,
    "hold_events": {"event_ids": ["PAY-500", "PAY-1000"], "lease": 5},
    "keep_askings": ASKED,
    "keep_look": LOOKED,
    "keep_said": RUNG | SAID,
    "keep_read": RUNG | {"charge_id": "pi_7", "reference": "PAY-7", "said": "{}"},
    "keep_up": {},
    "known_events": {"gateway": "stripe", "event_ids": ["evt_500", "evt_1000"]},
    "ledger_balances": {"starts": STARTS, "from": STARTS[0], "to": "infinity", "currency": None},
    "ledger_driver": {"driver_id": "drv-7"},
    "ledger_drivers": {"after": "drv-7", "after_currency": "INR", "limit": 21},
    "lease_cursor": {"gateway": "stripe", "pause": 50},
    "lease_events": {"age": 3, "limit": 32, "failed": 16, "untried": 32, "lease": 10},
    "lease_key": LEASED,
    "lease_next": LEASED,
    "lease_next_ring": {"lease": 35},
    "lease_ring": RUNG | {"lease": 35},
    "open_request": LEASED,
    "look": LEASED,
    "ledger_of": {"payment_id": 7, "limit": 50},
    "mark_delivered": {"event_ids": ["PAY-500", "PAY-1000"]},
    "move_cursor": {"gateway": "stripe", "read_until": "now", "read_after": "now", "place": "x"},
    "note_cold_start": {"function": "health", "up_to": 0.5, "seconds": 0.3},
    "note_failed": FAILED,
    "note_contradiction": AUDIT | {"payment_id": 500, "refund_id": 7, "rings": True},
    "payment": {"payment_id": 7},
    "payment_read": {"gateway": "stripe", "gateway_id": "pi_7", "reference": "PAY-7"},
    "open_disputes": {"limit": 50},
    "payment_events": {"payment_id": 7, "before": "infinity", "before_id": GREATEST_ID, "limit": 21},
    "payment_totals": {},
    "payments": LISTING,
    "payments_of_trip": LISTING | {"trip_id": 7},
    "pending": {"looked": 5_000, "limit": 100},
    "pending_of": {"payment_id": 500, "refund_id": None, "looked_through": 1000, "limit": 5},
    "pending_named": {"which": "PAY-500"},
    "ping": {},
    "put_off_ring": RUNG | {"rings": 1, "pause": 1, "why": "somebody is asking at this moment"},
    "receipt": {"payment_id": 7, "most_refunds": 5},
    "refundable": {"payment_id": 7},
    "reconciliation": {"reconciliation_id": 7, "most_counted": MOST_COUNTED},
    "reconciliations": {"before": "infinity", "before_id": GREATEST_ID, "limit": 21},
    "refund_read": {"gateway": "stripe", "gateway_id": "re_7", "reference": "REF-7", "charge_id": "pi_7"},
    "reverse_refund": AUDIT | {"refund_id": 7, "failure_code": "expired_or_canceled_card"},
    "ring": RUNG,
    "ring_refunds": {"payment_id": 7, "gateway_id": "re_1"},
    "said_of": {"payment_id": 7, "limit": 50},
    "set_aside_events": {"limit": 100},
    "resend_events": {"event_id": None, "limit": 1000},
    "refunds": {"payment_id": 7, "before": "infinity", "before_id": GREATEST_ID, "limit": 21},
    "release_key": RELEASED,
    "settle_payment": SETTLE,
    "settle_refund": SETTLE,
    "story": {"payment_id": 7, "limit": 50, "most_counted": MOST_COUNTED},
    "story_askings": {"payment_id": 7, "refund_ids": [7, 8], "limit": 20, "most_counted": MOST_COUNTED},
    "story_events": {"event_ids": ["PAY-500", "PAY-1000"]},
    "times_to_settle": OF_A_PERIOD,
    "waits": {"event_id": "PAY-500"},
    "watch_totals": {"most_counted": MOST_COUNTED},
}
