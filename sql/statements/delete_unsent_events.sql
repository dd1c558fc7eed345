-- Deletes events written longer ago than they are kept though nobody took them, oldest first, a batch at a time
-- (idx_outbox_oldest). Only where there is no sink: with one, what it did not take is kept until it does.
DELETE FROM outbox
 WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM outbox
     WHERE num_nulls(delivered_at) = 1 AND created_at >= (SELECT events FROM open_from)
       AND created_at <= now() - make_interval(secs => %(retention)s)
     ORDER BY created_at LIMIT %(limit)s OFFSET %(passed_over)s FOR UPDATE SKIP LOCKED))
RETURNING 1 AS deleted
