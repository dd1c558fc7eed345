-- The unsettled request that an operator names: by a payment's id, or by a payment's or refund's reference (their unique indexes). Then
-- the key that it was claimed with, written by the same statement and so at the same moment (idx_idempotency_oldest): however much is
-- open, which is when it is asked for.
WITH subject AS (
    SELECT payment_id, NULL::bigint AS refund_id, created_at
      FROM payments
     WHERE payment_id = substring(%(which)s FROM '^[1-9][0-9]{0,17}$')::bigint
     UNION ALL
    SELECT payment_id, NULL, created_at FROM payments WHERE reference = %(which)s
     UNION ALL
    SELECT payment_id, refund_id, created_at FROM payment_refunds WHERE reference = %(which)s
)
SELECT key.locked_at, key.asked, request.*
  FROM subject
 CROSS JOIN LATERAL (
        SELECT k.key_hash, k.locked_at, k.asked
          FROM idempotency_keys k
         WHERE num_nulls(k.answer_status) = 1 AND k.created_at = subject.created_at
           AND k.payment_id + 0 = subject.payment_id AND k.refund_id IS NOT DISTINCT FROM subject.refund_id
         LIMIT 1) AS key
 CROSS JOIN LATERAL (SELECT * FROM open_requests WHERE key_hash = key.key_hash LIMIT 1) AS request
