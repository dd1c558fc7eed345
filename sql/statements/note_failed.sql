-- Notes tries that failed, or (`tried` 0) what another saw of them, and when the next is due: pauses grow with the tries. An
-- event that was refused for good `most_refusals` times is set aside; gives those that are now. It need not be durable at
-- once: what is lost is tried once more. Rows are locked in one order.
WITH asynchronous_commit AS (
    SELECT set_config('synchronous_commit', 'off', true)
), failed AS (
    SELECT * FROM unnest(%(event_ids)s::text[], %(refused)s::int[], %(whys)s::text[]) AS failed (event_id, refused, why)
), noted AS (
    SELECT event_id, attempts + %(tried)s AS attempts, refusals + refused AS refusals,
           CASE refused WHEN 1 THEN why ELSE refusal END AS refusal,
           refused = 1 AND refusals + 1 >= %(most_refusals)s AS set_aside
      FROM outbox JOIN failed USING (event_id), asynchronous_commit
     WHERE num_nonnulls(delivered_at, refused_at) = 0
     ORDER BY event_id
       FOR UPDATE OF outbox
)
UPDATE outbox AS o
   SET attempts = noted.attempts, refusals = noted.refusals, refusal = noted.refusal,
       refused_at = CASE WHEN set_aside THEN now() END,
       next_attempt_at = CASE WHEN set_aside THEN 'infinity'
                              ELSE now() + make_interval(secs => least(%(pause)s * 2 ^ least(o.attempts, 30), %(longest_pause)s)) END
  FROM noted
 WHERE o.event_id = noted.event_id
RETURNING CASE WHEN set_aside THEN o.event_id END AS set_aside
