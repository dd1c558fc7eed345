-- Takes the undelivered events that are due, oldest first, and sets when they are due again, which grows with each try:
-- a sweep that dies loses nothing, and two sweeps take different rows (SKIP LOCKED on idx_outbox_undelivered). What they say
-- is read by `events`, after this has been committed.
WITH due AS (
    SELECT event_id
      FROM outbox
     WHERE delivered_at IS NULL AND next_attempt_at <= now()
       AND created_at <= now() - make_interval(secs => %(age)s)
     ORDER BY next_attempt_at, created_at
     LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED
)
UPDATE outbox AS o
   SET attempts = o.attempts + 1, next_attempt_at = now() + make_interval(secs => least(%(pause)s * 2 ^ o.attempts, %(longest_pause)s))
  FROM due
 WHERE o.event_id = due.event_id
RETURNING o.event_id
