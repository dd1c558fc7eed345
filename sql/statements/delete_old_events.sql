-- Deletes events delivered longer ago than they are kept, a batch at a time (idx_outbox_delivered).
DELETE FROM outbox
 WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM outbox
     WHERE delivered_at >= (SELECT delivered FROM open_from)
       AND delivered_at <= now() - make_interval(secs => %(retention)s)
     ORDER BY delivered_at LIMIT %(limit)s OFFSET %(passed_over)s FOR UPDATE SKIP LOCKED))
RETURNING 1 AS deleted
