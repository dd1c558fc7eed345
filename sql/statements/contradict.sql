-- Notes that the gateway says otherwise than the books of a refund, or of one that the payment has no room for: an entry in the audit
-- trail, once for a payment or refund, outcome and name (idx_audit_log_contradictions); no row where it is noted already.
INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
VALUES (%(actor)s, 'contradiction', %(payment_id)s, %(refund_id)s, %(outcome)s, %(stored)s, %(gateway_said)s, %(gateway_id)s)
    ON CONFLICT DO NOTHING
RETURNING reason AS stored
