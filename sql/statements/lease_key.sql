-- Takes over an unsettled request by its key: one row if nobody else holds it, none otherwise (or if it is settled). The
-- lease is locked_at, by the database's clock.
WITH leased AS (
    UPDATE idempotency_keys
       SET locked_at = clock_timestamp(), asked = asked + 1, ask_after = now() + make_interval(secs => %(lease_seconds)s)
     WHERE key_hash = %(key_hash)s AND num_nonnulls(answer_status) = 0
       AND (locked_at IS NULL OR locked_at <= now() - make_interval(secs => %(lease_seconds)s))
    RETURNING key_hash, locked_at, asked
)
SELECT * FROM leased JOIN open_requests USING (key_hash)
