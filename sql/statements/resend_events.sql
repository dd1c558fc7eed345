-- Has events that were set aside (idx_outbox_refused) sent again, as if they had never been tried: one by its id, or the oldest
-- of all (NULL).
UPDATE outbox SET attempts = 0, refusals = 0, refusal = NULL, refused_at = NULL, next_attempt_at = now()
 WHERE event_id = ANY (ARRAY(SELECT event_id FROM outbox
                              WHERE refused_at IS NOT NULL AND delivered_at IS NULL
                                AND event_id = coalesce(%(event_id)s, event_id)
                              ORDER BY refused_at LIMIT %(limit)s
                                FOR UPDATE))
RETURNING event_id
