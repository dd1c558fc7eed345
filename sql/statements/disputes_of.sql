-- The disputes of a payment, the newest first (idx_payment_disputes_payment_id).
SELECT gateway_id, amount, currency, status, reason, evidence_due_by, opened_at, closed_at
  FROM payment_disputes
 WHERE payment_id = %(payment_id)s
 ORDER BY dispute_id DESC
 LIMIT %(limit)s
