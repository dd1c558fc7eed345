-- Notes that the sink took these events, but for what was set aside meanwhile: behind a Broker a sink that takes an event may
-- be the one for dead letters. It need not be durable at once: an event that is sent again is dropped by its id, so the commit
-- does not wait for the disk.
WITH asynchronous_commit AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE outbox SET delivered_at = now()
  FROM asynchronous_commit
 WHERE event_id = ANY (%(event_ids)s) AND num_nonnulls(delivered_at, refused_at) = 0
