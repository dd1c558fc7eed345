-- What is not settled, oldest first, for an operator; from idx_idempotency_open, which holds only what is open.
SELECT key_hash, locked_at, asked, payment_id, refund_id, correlation_id, traceparent, gateway, method,
       currency, payment_token, payment_reference, payment_gateway_id, reference, amount, gateway_id, created_at,
       extract(epoch FROM now() - created_at)::float8 AS age, simulate,
       gateway_account, payment_customer, trip_id, search_place, shown::text AS shown
  FROM unsettled
 ORDER BY created_at
 LIMIT %(limit)s
