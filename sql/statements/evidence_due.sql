-- Disputes whose evidence is still to be sent (idx_payment_disputes_open): how many, counted no further than `most_counted`, and within
-- how many seconds the next of it is due; NULL where none is. What is due is not known of some, and of others it is over: nothing can be
-- sent any more, though the bank has not decided.
SELECT count(*) AS count, extract(epoch FROM min(evidence_due_by) - now())::float8 AS seconds
  FROM (SELECT evidence_due_by FROM payment_disputes
         WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by > now()
         ORDER BY evidence_due_by
         LIMIT %(most_counted)s) AS due
