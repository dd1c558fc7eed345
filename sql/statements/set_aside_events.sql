-- Events that were set aside, oldest first (idx_outbox_refused).
SELECT event_id, type, subject, refusals, refusal, refused_at
  FROM outbox
 WHERE refused_at IS NOT NULL AND delivered_at IS NULL
 ORDER BY refused_at
 LIMIT %(limit)s
