-- Takes the unsettled request that has been due longest, for a sweep: any number of sweeps each get another one
-- (SKIP LOCKED on idx_idempotency_open). No row when nothing is due. What it is about is read by `leased`, after this has
-- been committed: a request that cannot be read is not the first again the next moment.
WITH due AS (
    SELECT key_hash
      FROM idempotency_keys
     WHERE answer_status IS NULL AND ask_after >= (SELECT requests FROM open_from) AND ask_after <= now()
       AND (locked_at IS NULL OR locked_at <= now() - make_interval(secs => %(lease_seconds)s))
     ORDER BY ask_after
     LIMIT 1
       FOR UPDATE SKIP LOCKED
)
UPDATE idempotency_keys AS k
   SET locked_at = clock_timestamp(), asked = k.asked + 1,
       ask_after = now() + make_interval(secs => %(lease_seconds)s)
  FROM due
 WHERE k.key_hash = due.key_hash
RETURNING k.key_hash, k.locked_at, k.asked
