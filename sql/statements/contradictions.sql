-- Where the gateway contradicted what is stored, newest first: among the newest `looked` entries of the audit trail (by its primary
-- key), which people and contradictions write, few a day. `put_right`: nobody need look into it any more.
SELECT (entry).audit_id, (entry).at, (entry).payment_id, (entry).refund_id, (entry).outcome, (entry).reason AS stored,
       (entry).gateway_said, (entry).gateway_id, extract(epoch FROM now() - (entry).at)::float8 AS age,
       is_put_right(entry) AS put_right
  FROM (SELECT audit_log AS entry FROM audit_log ORDER BY audit_id DESC LIMIT %(looked)s) AS newest
 WHERE (entry).action = 'contradiction'
 ORDER BY (entry).audit_id DESC
 LIMIT %(limit)s
