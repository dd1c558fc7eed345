-- Deletes keys whose life is over, oldest first, a batch at a time (idx_idempotency_expires); two sweeps take different rows.
DELETE FROM idempotency_keys
 WHERE key_hash = ANY (ARRAY(
    SELECT key_hash FROM idempotency_keys
     WHERE expires_at >= (SELECT expired FROM open_from) AND expires_at <= now()
     ORDER BY expires_at LIMIT %(limit)s OFFSET %(passed_over)s FOR UPDATE SKIP LOCKED))
RETURNING 1 AS deleted
