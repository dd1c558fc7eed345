"""What holds of the ledger at every moment, in every snapshot, as one statement each."""

from tests.support.sql import Sql

ACCOUNTS = (
    "gateway_receivable",
    "cash_with_drivers",
    "bank",
    "revenue",
    "refunds",
    "disputes",
    "fees",
    "drivers_payable",
    "late_payments",
)
_NEGATIVE = ", ".join(f"-{account}" for account in ACCOUNTS)
_NAMES = ", ".join(ACCOUNTS)
_ALL_ZERO = " AND ".join(f"sum({account}) = 0" for account in ACCOUNTS)

# The journal, what is counted of it, and what moved in all quarters together are the same; so is what is owed to each driver;
# each day sums to zero; and what came in is what the totals of the metrics say.
WRONG = f"""
SELECT 'counted' AS what, currency, gateway AS whose
  FROM (SELECT currency, gateway, {_NAMES} FROM ledger_counted
         UNION ALL
        SELECT currency, gateway, {_NEGATIVE} FROM ledger_entries) AS sides
 GROUP BY 2, 3 HAVING NOT ({_ALL_ZERO})
 UNION ALL
SELECT 'moved', currency, quarter::text
  FROM (SELECT currency, quarter_of(at) AS quarter, {_NAMES} FROM ledger_moves
         UNION ALL
        SELECT currency, quarter_of(at), {_NEGATIVE} FROM ledger_entries) AS sides
 GROUP BY 2, 3 HAVING NOT ({_ALL_ZERO})
 UNION ALL
SELECT 'owed', currency, driver_id
  FROM (SELECT driver_id, currency, drivers_payable, cash_with_drivers FROM ledger_by_driver
         UNION ALL
        SELECT driver_id, currency, drivers_payable, cash_with_drivers FROM ledger_counted WHERE driver_id IS NOT NULL
         UNION ALL
        SELECT driver_id, currency, -drivers_payable, -cash_with_drivers
          FROM ledger_entries WHERE driver_id IS NOT NULL) AS sides
 GROUP BY 2, 3 HAVING sum(drivers_payable) <> 0 OR sum(cash_with_drivers) <> 0
 UNION ALL
SELECT 'day', currency, at::date::text
  FROM ledger_moves GROUP BY 2, 3 HAVING sum({" + ".join(ACCOUNTS)}) <> 0
 UNION ALL
SELECT 'revenue', currency, NULL
  FROM (SELECT currency, CASE WHEN status LIKE 'DISPUTE%' THEN -amount ELSE amount - refunded END AS came_in
          FROM totals_with_disputes WHERE status IN ('SUCCESS', 'REFUNDED', 'DISPUTE OPEN', 'DISPUTE LOST')
         UNION ALL
        SELECT currency, revenue + drivers_payable + refunds + disputes FROM ledger_counted) AS sides
 GROUP BY 2 HAVING sum(came_in) <> 0
"""
# Whatever was settled is booked, once.
UNBOOKED = """
SELECT payment_id, 'charge' AS movement FROM payments p
 WHERE status IN ('SUCCESS', 'REFUNDED') AND created_at >= %(since)s
   AND NOT EXISTS (SELECT FROM ledger_entries l WHERE l.payment_id = p.payment_id AND movement = 'charge')
 UNION ALL
SELECT payment_id, 'refund ' || refund_id FROM payment_refunds r
 WHERE status IN ('REFUNDED', 'REVERSED') AND created_at >= %(since)s
   AND NOT EXISTS (SELECT FROM ledger_entries l WHERE l.payment_id = r.payment_id AND movement = 'refund ' || refund_id)
 UNION ALL
SELECT payment_id, 'reversal ' || refund_id FROM payment_refunds r
 WHERE status = 'REVERSED' AND created_at >= %(since)s
   AND NOT EXISTS (SELECT FROM ledger_entries l WHERE l.payment_id = r.payment_id AND movement = 'reversal ' || refund_id)
"""


def booked(sql: Sql) -> list[tuple[str, dict[str, str]]]:
    """The entries of the journal in their order: each movement, with what it changed by account."""
    rows = sql.run(f"SELECT movement, {_NAMES} FROM ledger_entries ORDER BY entry_id")
    return [(row["movement"], {name: str(row[name]) for name in ACCOUNTS if row[name]}) for row in rows]


def the_books_balance(sql: Sql, since: str = "-infinity") -> None:
    """Asserts all of it; of what was claimed before `since`, when the ledger was opened, no entries are looked for."""
    assert sql.run(WRONG) == []
    assert sql.run(UNBOOKED, {"since": since}) == []
