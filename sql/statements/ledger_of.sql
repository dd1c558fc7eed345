-- The newest entries of a payment in the journal, newest first (ledger_entries_once).
SELECT at, movement, currency, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees, drivers_payable, late_payments
  FROM ledger_entries
 WHERE payment_id = %(payment_id)s
 ORDER BY entry_id DESC
 LIMIT %(limit)s
