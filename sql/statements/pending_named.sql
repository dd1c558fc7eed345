-- The unsettled request that an operator names: by a payment's id, or by a payment's or refund's reference. Looks through what is
-- open (idx_idempotency_oldest), and only then at what each is about, by its primary key.
SELECT keys.locked_at, keys.asked, request.*
  FROM (SELECT key_hash, locked_at, asked FROM idempotency_keys WHERE num_nulls(answer_status) = 1 AND created_at >= (SELECT requests FROM open_from)) AS keys
 CROSS JOIN LATERAL (SELECT * FROM open_requests WHERE key_hash = keys.key_hash LIMIT 1) AS request
 WHERE request.reference = %(which)s OR (request.refund_id IS NULL AND request.payment_id::text = %(which)s)
