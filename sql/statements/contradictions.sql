-- Where the gateway contradicted what is stored, newest first: among the newest `looked` entries of the audit trail (by its primary
-- key), which people and contradictions write, few a day. `put_right`: a charge that was paid late, and is given back or adopted
-- (payments_pkey).
SELECT entry.audit_id, entry.at, entry.payment_id, entry.refund_id, entry.outcome, entry.reason AS stored, entry.gateway_said,
       entry.gateway_id, extract(epoch FROM now() - entry.at)::float8 AS age,
       entry.refund_id IS NULL AND EXISTS (SELECT FROM payments AS p
                                            WHERE p.payment_id = entry.payment_id AND p.late_charge_id = entry.gateway_id LIMIT 1)
       AS put_right
  FROM (SELECT * FROM audit_log ORDER BY audit_id DESC LIMIT %(looked)s) AS entry
 WHERE entry.action = 'contradiction'
 ORDER BY entry.audit_id DESC
 LIMIT %(limit)s
