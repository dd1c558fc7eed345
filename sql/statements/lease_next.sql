-- Takes over the unsettled request that has been due longest, for a sweep: any number of sweeps each get another one
-- (SKIP LOCKED on idx_idempotency_open). No row when nothing is due.
WITH due AS (
    SELECT key_hash
      FROM idempotency_keys
     WHERE answer_status IS NULL AND ask_after <= now()
       AND (locked_at IS NULL OR locked_at <= now() - make_interval(secs => %(lock_timeout)s))
     ORDER BY ask_after
     LIMIT 1
       FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE idempotency_keys AS k
       SET locked_at = clock_timestamp(), asked = k.asked + 1,
           ask_after = now() + make_interval(secs => %(lock_timeout)s)
      FROM due
     WHERE k.key_hash = due.key_hash
    RETURNING k.key_hash, k.locked_at, k.asked
)
SELECT leased.key_hash, leased.locked_at, leased.asked, u.payment_id, u.refund_id, u.correlation_id, u.traceparent,
       u.gateway, u.method, u.currency, u.payment_token, u.payment_reference, u.payment_gateway_id, u.reference, u.amount,
       u.gateway_id, u.created_at, extract(epoch FROM now() - u.created_at)::float8 AS age, u.simulate,
       u.gateway_account, u.payment_customer, u.trip_id, u.search_place, u.shown::text AS shown
  FROM leased JOIN unsettled u USING (key_hash)
