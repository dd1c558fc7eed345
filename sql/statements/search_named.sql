-- The payments that have a name, newest first: an id (payments_pkey), a reference of theirs or of one of their refunds (the unique
-- indexes), or the gateway's id (idx_payments_gateway_id). What is not asked for is NULL.
WITH named AS (
    SELECT payment_id FROM payments WHERE payment_id = %(payment_id)s
     UNION
    SELECT payment_id FROM payments WHERE reference = %(reference)s
     UNION
    SELECT payment_id FROM payment_refunds WHERE reference = %(reference)s
     UNION
    (SELECT payment_id FROM payments WHERE gateway_id = %(gateway_id)s LIMIT %(limit)s)
)
SELECT found.*
  FROM named
 CROSS JOIN LATERAL (
        SELECT payment_id, reference, created_at, updated_at, trip_id, method, status, failure_code, amount, currency,
               refunded_amount, reserved_amount, gateway, gateway_id
          FROM payments
         WHERE payment_id = named.payment_id
         LIMIT 1) AS found
 ORDER BY found.created_at DESC, found.payment_id DESC
