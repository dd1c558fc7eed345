-- One payment, as a client sees it.
SELECT payment_json(payments)::text AS shown FROM payments WHERE payment_id = %(payment_id)s
