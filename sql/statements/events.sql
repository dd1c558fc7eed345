-- Events as they are sent, by their ids, oldest first.
SELECT event_id, type, subject, correlation_id, traceparent, caller, data::text AS data, created_at, attempts
  FROM outbox
 WHERE event_id = ANY (%(event_ids)s)
 ORDER BY created_at
