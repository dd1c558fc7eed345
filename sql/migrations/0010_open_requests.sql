-- What a lease is made of. The functions of the version before still read `unsettled`, which goes when none of them runs.

-- Every request that is not settled, as the gateway is asked for it: a charge, or a refund where refund_id is set.
CREATE VIEW open_requests AS
    SELECT k.key_hash, k.payment_id, k.refund_id, k.correlation_id, k.search_place AS search_cursor,
           p.gateway, p.gateway_account, p.currency, p.trip_id, p.payment_token, p.payment_customer,
           p.gateway_id AS payment_gateway_id,
           coalesce(r.reference, p.reference) AS reference,
           coalesce(r.amount, p.amount) AS amount,
           CASE WHEN r.refund_id IS NULL THEN p.gateway_id ELSE r.gateway_id END AS gateway_id,
           coalesce(r.created_at, p.created_at) AS created_at,
           extract(epoch FROM now() - coalesce(r.created_at, p.created_at))::float8 AS age,
           coalesce(r.metadata, p.metadata) ->> 'simulate' AS simulate,
           CASE WHEN r.refund_id IS NULL THEN payment_json(p) ELSE refund_json(r, p) END::text AS shown
      FROM idempotency_keys k
      JOIN payments p ON p.payment_id = k.payment_id
      LEFT JOIN payment_refunds r ON r.refund_id = k.refund_id
     WHERE k.answer_status IS NULL;
