-- Takes over an unsettled request by its key: one row if nobody else holds it, none otherwise (or if it is settled). The
-- lease is locked_at, by the database's clock.
WITH leased AS (
    UPDATE idempotency_keys
       SET locked_at = clock_timestamp(), asked = asked + 1, ask_after = now() + make_interval(secs => %(lease_seconds)s)
     WHERE key_hash = %(key_hash)s AND answer_status IS NULL
       AND (locked_at IS NULL OR locked_at <= now() - make_interval(secs => %(lease_seconds)s))
    RETURNING key_hash, locked_at, asked
)
SELECT leased.key_hash, leased.locked_at, leased.asked, u.payment_id, u.refund_id, u.correlation_id, u.traceparent,
       u.gateway, u.method, u.currency, u.payment_token, u.payment_reference, u.payment_gateway_id, u.reference, u.amount,
       u.gateway_id, u.created_at, extract(epoch FROM now() - u.created_at)::float8 AS age, u.simulate,
       u.gateway_account, u.payment_customer, u.trip_id, u.search_place, u.shown::text AS shown
  FROM leased JOIN unsettled u USING (key_hash)
