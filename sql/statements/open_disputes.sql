-- Disputes that are not decided, at most `limit`: first those whose evidence can still be sent, the next that is due first; then those
-- where it is too late, or no time is known (all by idx_payment_disputes_open). `due_in` in seconds.
SELECT d.dispute_id, d.payment_id, d.gateway_id, d.amount, d.currency, d.status, d.reason,
       extract(epoch FROM d.evidence_due_by - now())::float8 AS due_in
  FROM ((SELECT * FROM payment_disputes
          WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by > now()
          ORDER BY evidence_due_by
          LIMIT %(limit)s)
         UNION ALL
        (SELECT * FROM payment_disputes
          WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by <= now()
          ORDER BY evidence_due_by DESC
          LIMIT %(limit)s)
         UNION ALL
        (SELECT * FROM payment_disputes
          WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by IS NULL
          LIMIT %(limit)s)) AS d
 ORDER BY coalesce(d.evidence_due_by > now(), false) DESC, abs(extract(epoch FROM d.evidence_due_by - now())), d.dispute_id
 LIMIT %(limit)s
