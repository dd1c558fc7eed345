-- Notes a try that failed, or (`tried` 0) what another saw of it, and when the next one is due: pauses grow with the tries. An
-- event that was refused for good `most_refusals` times is set aside; `set_aside` says whether it was now.
WITH noted AS (
    SELECT event_id, attempts + %(tried)s AS attempts, refusals + %(refused)s AS refusals,
           %(refused)s = 1 AND refusals + 1 >= %(most_refusals)s AS set_aside
      FROM outbox
     WHERE event_id = %(event_id)s AND delivered_at IS NULL AND refused_at IS NULL
       FOR UPDATE
)
UPDATE outbox AS o
   SET attempts = noted.attempts, refusals = noted.refusals,
       refusal = CASE %(refused)s WHEN 1 THEN %(why)s ELSE refusal END,
       refused_at = CASE WHEN set_aside THEN now() END,
       next_attempt_at = CASE WHEN set_aside THEN 'infinity'
                              ELSE now() + make_interval(secs => least(%(pause)s * 2 ^ least(o.attempts, 30), %(longest_pause)s)) END
  FROM noted
 WHERE o.event_id = noted.event_id
RETURNING set_aside, type, subject
