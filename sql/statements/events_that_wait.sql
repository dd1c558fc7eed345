-- Which of these events have to wait, because an earlier one of the same payment is not delivered yet (idx_outbox_subject).
SELECT event_id
  FROM outbox
 WHERE event_id = ANY (%(event_ids)s)
   AND created_at > (SELECT min(created_at) FROM outbox AS e
                      WHERE e.subject = outbox.subject AND num_nulls(e.delivered_at, e.refused_at) = 2)
