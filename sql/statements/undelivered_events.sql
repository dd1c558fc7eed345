-- Events that the sink has not taken for longer than `age` seconds, oldest first: those that failed, and those that were never tried,
-- each by what is due longest (idx_outbox_failed, idx_outbox_untried, from where `open_from` says that what is open begins). What
-- was set aside is `set_aside_events`.
WITH since AS (
    SELECT events FROM open_from
), waiting AS (
    (SELECT event_id, type, subject, created_at, attempts, refusal
       FROM outbox
      WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0 AND next_attempt_at >= (SELECT events FROM since)
      ORDER BY next_attempt_at, created_at
      LIMIT %(limit)s)
     UNION ALL
    (SELECT event_id, type, subject, created_at, attempts, refusal
       FROM outbox
      WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0 AND next_attempt_at >= (SELECT events FROM since)
      ORDER BY next_attempt_at, created_at
      LIMIT %(limit)s)
)
SELECT *, extract(epoch FROM now() - created_at)::float8 AS age
  FROM waiting
 WHERE created_at < now() - make_interval(secs => %(age)s)
 ORDER BY created_at
 LIMIT %(limit)s
