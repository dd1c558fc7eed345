-- Notes that somebody settles a payment or refund by hand, if it is still to be settled; `forced`: against what the gateway
-- said.
INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id, forced)
SELECT %(actor)s, CASE WHEN refund_id IS NULL THEN 'settle_payment' ELSE 'settle_refund' END,
       payment_id, refund_id, %(outcome)s, %(reason)s, %(gateway_said)s, %(gateway_id)s,
       %(forced)s
  FROM idempotency_keys
 WHERE key_hash = %(key_hash)s AND num_nonnulls(answer_status) = 0
