-- Events as they are sent, by their ids.
SELECT event_id, type, subject, correlation_id, traceparent, data::text AS data, created_at
  FROM outbox
 WHERE event_id = ANY (%(event_ids)s)
