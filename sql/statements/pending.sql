-- What is not settled, oldest first, for an operator: the oldest keys by idx_idempotency_oldest, and only then what each is
-- about, by its primary key. A key is as old as its charge or refund: both are written by one claim.
SELECT key_hash, locked_at, asked, payment_id, refund_id, correlation_id, traceparent, gateway, method,
       currency, payment_token, payment_reference, payment_gateway_id, reference, amount, gateway_id, created_at,
       extract(epoch FROM now() - created_at)::float8 AS age, simulate,
       gateway_account, payment_customer, trip_id, search_place, shown::text AS shown
  FROM (SELECT key_hash AS oldest FROM idempotency_keys
         WHERE num_nulls(answer_status) = 1 ORDER BY created_at LIMIT %(limit)s) AS keys
 CROSS JOIN LATERAL (SELECT * FROM unsettled WHERE key_hash = oldest LIMIT 1) AS request
 ORDER BY created_at
