-- Notes that the gateway says otherwise than what is stored of a settled payment or refund: succeeded after FAILED, declined
-- after SUCCESS, or succeeded under another name than the one that is stored. What is not settled, or agrees, gives no row.
-- Once for a payment or refund, outcome and name (idx_audit_log_contradictions), however often and by however many at once.
-- What may be put right by reading it is rung for, as `ring` does, where the gateway `rings`: a charge that was paid after it had
-- FAILED, and a refund.
WITH stored AS (
    SELECT p.payment_id, r.refund_id, coalesce(r.status, p.status) AS status, p.gateway,
           coalesce(r.failure_code, p.failure_code) AS failure_code,
           CASE WHEN r.refund_id IS NULL THEN p.gateway_id ELSE r.gateway_id END AS gateway_id
      FROM payments p
      LEFT JOIN payment_refunds r ON r.refund_id = %(refund_id)s AND r.payment_id + 0 = p.payment_id
     WHERE p.payment_id = %(payment_id)s
), noted AS (
    INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'contradiction', payment_id, refund_id, %(outcome)s,
           'stored as ' || concat_ws(', ', status, failure_code, gateway_id), %(gateway_said)s, %(gateway_id)s
      FROM stored
     WHERE CASE %(outcome)s
           WHEN 'succeeded' THEN status = 'FAILED' OR (status <> 'PENDING' AND gateway_id <> %(gateway_id)s)
           ELSE status IN ('SUCCESS', 'REFUNDED') END
        ON CONFLICT DO NOTHING
    RETURNING reason
), rung AS (
    INSERT INTO gateway_rings AS r (gateway, kind, object_id)
    SELECT gateway, CASE WHEN refund_id IS NULL THEN 'charge' ELSE 'refund' END, coalesce(%(gateway_id)s, gateway_id)
      FROM stored, noted
     WHERE %(rings)s AND (status = 'FAILED' OR refund_id IS NOT NULL) AND length(coalesce(%(gateway_id)s, gateway_id)) <= 255
        ON CONFLICT (gateway, kind, object_id) DO UPDATE SET rings = r.rings + 1, ask_after = least(r.ask_after, now())
)
SELECT reason AS stored FROM noted
