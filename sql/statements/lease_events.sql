-- Leases undelivered events that are due: two sweeps take different rows (SKIP LOCKED on idx_outbox_undelivered), and those of
-- one that dies are due again when the lease is over. Those that never failed go first, oldest first; of those that failed no
-- more than `failed`, so that they keep no other waiting. An event waits for earlier ones of its payment (idx_outbox_subject),
-- unless they were set aside. What the events say is read by `events`, after this has been committed.
WITH failed AS (
    SELECT event_id
      FROM outbox
     WHERE delivered_at IS NULL AND next_attempt_at <= now() AND attempts > 0 AND refused_at IS NULL
       AND created_at = (SELECT min(created_at) FROM outbox AS e
                          WHERE e.subject = outbox.subject AND delivered_at IS NULL AND refused_at IS NULL)
     ORDER BY next_attempt_at, created_at
     LIMIT %(failed)s
       FOR UPDATE SKIP LOCKED
), untried AS (
    SELECT event_id
      FROM outbox
     WHERE delivered_at IS NULL AND next_attempt_at <= now() AND attempts = 0 AND refused_at IS NULL
       AND created_at <= now() - make_interval(secs => %(age)s)
       AND created_at = (SELECT min(created_at) FROM outbox AS e
                          WHERE e.subject = outbox.subject AND delivered_at IS NULL AND refused_at IS NULL)
     ORDER BY next_attempt_at, created_at
     LIMIT %(limit)s - (SELECT count(*) FROM failed)
       FOR UPDATE SKIP LOCKED
)
UPDATE outbox
   SET next_attempt_at = now() + make_interval(secs => %(lease)s)
 WHERE event_id = ANY (ARRAY(SELECT event_id FROM failed UNION ALL SELECT event_id FROM untried))
RETURNING event_id
