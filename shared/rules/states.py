"""The methods of payment; and every move that a payment, a refund or a dispute may make, with what may cause it.

The database refuses every other (sql/migrations/0009_moves.sql, 0025_late_truth.sql, 0026_ledger.sql), and docs/states.md is
drawn from here (`python -m tools.states`). tests/sql/test_states.py holds the constraints and the statements to it.
"""

from typing import Literal, NamedTuple, get_args

Method = Literal["CARD", "UPI", "WALLET", "CASH"]
METHODS: tuple[str, ...] = get_args(Method)

STATUSES = ("PENDING", "SUCCESS", "FAILED", "REFUNDED")
REFUND_STATUSES = ("PENDING", "REFUNDED", "FAILED", "REVERSED")
# Who asked for a refund: a client; somebody in the gateway's own pages; or we, of a charge that was paid late.
REFUND_SOURCES = ("client", "gateway", "late_payment")
DISPUTE_STATUSES = ("INQUIRY", "OPEN", "WON", "LOST", "WITHDRAWN")
# Such as are over, and such as hold what is disputed.
DISPUTES_OVER = ("WON", "LOST", "WITHDRAWN")
DISPUTES_HOLDING = ("OPEN", "LOST")


class Move(NamedTuple):
    """From `source` to `target`; where `source` is None, it is written as `target`. `statement` (of sql/statements) makes it;
    None for a row of the seed, which seed/load.py writes: nobody charged it, and it makes no move."""

    source: str | None
    target: str
    cause: str
    statement: str | None


PAYMENT_MOVES = (
    Move(None, "PENDING", "claim", "claim_payment"),
    Move(None, "SUCCESS", "charge in cash", "charge_at_once"),
    *(Move(None, status, "seed", None) for status in STATUSES),
    Move("PENDING", "SUCCESS", "charged", "settle_payment"),
    Move("PENDING", "SUCCESS", "settled by hand", "settle_payment"),
    Move("PENDING", "FAILED", "declined", "settle_payment"),
    Move("PENDING", "FAILED", "customer refused", "settle_payment"),
    Move("PENDING", "FAILED", "customer too late", "settle_payment"),
    Move("PENDING", "FAILED", "unknown to the gateway", "settle_payment"),
    Move("PENDING", "FAILED", "settled by hand", "settle_payment"),
    Move("FAILED", "SUCCESS", "paid late, adopted", "adopt_payment"),
    Move("SUCCESS", "REFUNDED", "refunded in whole", "settle_refund"),
    Move("REFUNDED", "SUCCESS", "refund reversed", "reverse_refund"),
)

REFUND_MOVES = (
    Move(None, "PENDING", "claim", "claim_refund"),
    Move(None, "PENDING", "made at the gateway", "enter_refund"),
    Move(None, "PENDING", "paid late", "give_back_payment"),
    Move("PENDING", "REFUNDED", "given back", "settle_refund"),
    Move("PENDING", "REFUNDED", "settled by hand", "settle_refund"),
    Move("PENDING", "FAILED", "declined", "settle_refund"),
    Move("PENDING", "FAILED", "unknown to the gateway", "settle_refund"),
    Move("PENDING", "FAILED", "settled by hand", "settle_refund"),
    Move("REFUNDED", "REVERSED", "failed after it had succeeded", "reverse_refund"),
)

# What a gateway says a dispute is, whenever it is read: some of the way may have been missed. What is over is over, but what
# was won may be lost and what was lost won, and what was withdrawn may come back.
DISPUTE_MOVES = (
    Move(None, "INQUIRY", "the bank asks", "follow_dispute"),
    Move(None, "OPEN", "opened", "follow_dispute"),
    *(Move(None, status, "first heard of when it was over", "follow_dispute") for status in DISPUTES_OVER),
    Move("INQUIRY", "OPEN", "opened", "follow_dispute"),
    *(Move(source, "WON", "won", "follow_dispute") for source in ("INQUIRY", "OPEN", "LOST", "WITHDRAWN")),
    *(Move(source, "LOST", "lost", "follow_dispute") for source in ("INQUIRY", "OPEN", "WON", "WITHDRAWN")),
    *(Move(source, "WITHDRAWN", "withdrawn", "follow_dispute") for source in ("INQUIRY", "OPEN")),
    Move("WITHDRAWN", "OPEN", "opened again", "follow_dispute"),
)
