-- What is not settled, oldest first, for an operator: the oldest keys by idx_idempotency_oldest, and only then what each is
-- about, by its primary key. A key is as old as its charge or refund: both are written by one claim.
SELECT keys.locked_at, keys.asked, request.*
  FROM (SELECT key_hash, locked_at, asked FROM idempotency_keys
         WHERE num_nulls(answer_status) = 1 AND created_at >= (SELECT requests FROM open_from) ORDER BY created_at LIMIT %(limit)s) AS keys
 CROSS JOIN LATERAL (SELECT * FROM open_requests WHERE key_hash = keys.key_hash LIMIT 1) AS request
 ORDER BY request.created_at
