-- Keeps events from being sent by a sweep for as long as the instance that has them says so, over and over.
WITH asynchronous_commit AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE outbox SET next_attempt_at = now() + make_interval(secs => %(lease)s)
  FROM asynchronous_commit
 WHERE event_id = ANY (%(event_ids)s) AND num_nonnulls(delivered_at, refused_at) = 0
