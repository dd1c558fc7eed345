-- What is pending of a payment, the charge or the newest of its refunds (idx_payment_refunds_payment_id), or of a refund alone where one
-- is named: the keys that they were claimed with, written by the same statement and so at the same moment (idx_idempotency_oldest).
WITH subject AS (
    (SELECT payment_id, NULL::bigint AS refund_id, status, created_at
       FROM payments
      WHERE payment_id = %(payment_id)s AND %(refund_id)s::bigint IS NULL)
     UNION ALL
    (SELECT payment_id, refund_id, status, created_at
       FROM payment_refunds
      WHERE payment_id = %(payment_id)s AND %(refund_id)s::bigint IS NULL
      ORDER BY created_at DESC, refund_id DESC
      LIMIT %(looked_through)s)
     UNION ALL
    (SELECT payment_id, refund_id, status, created_at
       FROM payment_refunds
      WHERE refund_id = %(refund_id)s AND payment_id + 0 = %(payment_id)s)
)
SELECT key.key_hash, subject.refund_id
  FROM subject
 CROSS JOIN LATERAL (
        SELECT k.key_hash
          FROM idempotency_keys k
         WHERE subject.status = 'PENDING' AND num_nulls(k.answer_status) = 1 AND k.created_at = subject.created_at
           AND k.payment_id + 0 = subject.payment_id AND k.refund_id IS NOT DISTINCT FROM subject.refund_id
         LIMIT 1) AS key
 LIMIT %(limit)s
