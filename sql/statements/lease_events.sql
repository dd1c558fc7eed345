-- Leases undelivered events that are due: two sweeps take different rows (SKIP LOCKED), and those of one that dies are due again
-- when the lease is over. Those that were never tried go oldest first (idx_outbox_untried); of those that failed
-- (idx_outbox_failed) no more than `failed`, so that they keep no other waiting; `limit` together. An event waits for earlier
-- ones of its payment (idx_outbox_subject). What the events say is read by `events`, after this has been committed.
WITH failed AS (
    SELECT event_id
      FROM outbox
     WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0 AND next_attempt_at >= (SELECT events FROM open_from) AND next_attempt_at <= now()
       AND created_at = (SELECT min(created_at) FROM outbox AS e
                          WHERE e.subject = outbox.subject AND num_nulls(e.delivered_at, e.refused_at) = 2)
     ORDER BY next_attempt_at, created_at
     LIMIT %(failed)s
       FOR UPDATE SKIP LOCKED
), untried AS (
    SELECT event_id
      FROM outbox
     WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0 AND next_attempt_at >= (SELECT events FROM open_from) AND next_attempt_at <= now()
       AND created_at <= now() - make_interval(secs => %(age)s)
       AND created_at = (SELECT min(created_at) FROM outbox AS e
                          WHERE e.subject = outbox.subject AND num_nulls(e.delivered_at, e.refused_at) = 2)
     ORDER BY next_attempt_at, created_at
     LIMIT least(%(untried)s, %(limit)s - (SELECT count(*) FROM failed))
       FOR UPDATE SKIP LOCKED
)
UPDATE outbox
   SET next_attempt_at = now() + make_interval(secs => %(lease)s)
 WHERE event_id = ANY (ARRAY(SELECT event_id FROM failed UNION ALL SELECT event_id FROM untried))
RETURNING event_id
