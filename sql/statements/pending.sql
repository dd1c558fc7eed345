-- What is not settled, oldest first, for an operator: the oldest keys by idx_idempotency_oldest, and only then what each is
-- about, by its primary key. A key is as old as its charge or refund: both are written by one claim. Without what waits for its
-- customer, among the oldest `looked`.
SELECT keys.locked_at, keys.asked, request.*
  FROM (SELECT key_hash, locked_at, asked
          FROM (SELECT key_hash, locked_at, asked, created_at, act_by FROM idempotency_keys
                 WHERE num_nulls(answer_status) = 1 AND created_at >= (SELECT requests FROM open_from)
                 ORDER BY created_at
                 LIMIT %(looked)s) AS oldest
         WHERE act_by IS NULL OR act_by <= now()
         ORDER BY created_at
         LIMIT %(limit)s) AS keys
 CROSS JOIN LATERAL (SELECT * FROM open_requests WHERE key_hash = keys.key_hash LIMIT 1) AS request
 ORDER BY request.created_at
