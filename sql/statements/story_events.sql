-- How the delivery of these events goes, by their ids; of one that was deleted nothing.
SELECT event_id, type, created_at, attempts, next_attempt_at, delivered_at, refusals, refusal, refused_at
  FROM outbox
 WHERE event_id = ANY (%(event_ids)s)
