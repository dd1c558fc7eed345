-- What the gateway is asked with, of a request whose lease was taken: one row, or none where it is settled, by its primary key.
SELECT payment_id, refund_id, correlation_id, traceparent, gateway, method, currency, payment_token, payment_reference,
       payment_gateway_id, reference, amount, gateway_id, created_at,
       extract(epoch FROM now() - created_at)::float8 AS age, simulate,
       gateway_account, payment_customer, trip_id, search_place, shown::text AS shown
  FROM unsettled
 WHERE key_hash = %(key_hash)s
