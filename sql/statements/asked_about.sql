-- A charge, or a refund of it, as the gateway is asked what became of it, by their primary keys: one row or none. Whoever asks holds no
-- lease, and the key that it was claimed with may be gone.
SELECT '\x'::bytea AS key_hash, now() AS locked_at, 2 AS asked, p.payment_id, r.refund_id,
       coalesce(r.correlation_id, p.correlation_id, '') AS correlation_id, NULL::text AS search_cursor,
       p.gateway, p.gateway_account, p.currency, p.trip_id, p.payment_token, p.payment_customer, p.method, p.customer_present,
       false AS tells_key, NULL::float8 AS waits, r.source, coalesce(r.charge_id, p.gateway_id) AS payment_gateway_id,
       coalesce(r.reference, p.reference) AS reference, coalesce(r.amount, p.amount) AS amount,
       CASE WHEN r.refund_id IS NULL THEN p.gateway_id ELSE r.gateway_id END AS gateway_id,
       coalesce(r.created_at, p.created_at) AS created_at,
       extract(epoch FROM now() - coalesce(r.created_at, p.created_at))::float8 AS age,
       coalesce(r.metadata, p.metadata) ->> 'simulate' AS simulate,
       CASE WHEN r.refund_id IS NULL THEN payment_json(p) ELSE refund_json(r, p) END::text AS shown
  FROM payments p
  LEFT JOIN payment_refunds r ON r.refund_id = %(refund_id)s AND r.payment_id + 0 = p.payment_id
 WHERE p.payment_id = %(payment_id)s AND (r.refund_id IS NOT NULL OR %(refund_id)s::bigint IS NULL)
