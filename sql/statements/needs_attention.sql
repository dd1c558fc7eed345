-- How much needs somebody's attention, each counted up to `limit`: what is pending (idx_idempotency_oldest) or undelivered
-- (idx_outbox_failed, idx_outbox_untried) for longer than `age` seconds, what was set aside (idx_outbox_refused), and where the
-- gateway contradicted what is stored within `recent` seconds, among the newest `looked` entries of the audit trail, but for charges
-- that were paid late and are given back or adopted (payments_pkey); and disputes whose evidence can still be sent
-- (idx_payment_disputes_open); and reconciliations of the last 35 days that found differences (idx_reconciliations_to_at,
-- idx_reconciled_movements_differ), among the newest `looked`. What waits for its customer counts from when
-- it is waited for no longer; the oldest `looked` of what is pending are looked at.
WITH since AS (SELECT * FROM open_from)
SELECT (SELECT count(*) FROM (SELECT FROM (SELECT created_at, act_by FROM idempotency_keys
                                            WHERE num_nulls(answer_status) = 1 AND created_at >= (SELECT requests FROM since)
                                              AND created_at < now() - make_interval(secs => %(age)s)
                                            ORDER BY created_at
                                            LIMIT %(looked)s) AS oldest
                               WHERE coalesce(act_by, created_at) < now() - make_interval(secs => %(age)s)
                               LIMIT %(limit)s) AS pending)
       + (SELECT count(*) FROM (SELECT created_at FROM outbox
                                 WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0
                                   AND next_attempt_at >= (SELECT events FROM since)
                                 ORDER BY next_attempt_at
                                 LIMIT %(limit)s) AS failed
           WHERE created_at < now() - make_interval(secs => %(age)s))
       + (SELECT count(*) FROM (SELECT created_at FROM outbox
                                 WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0
                                   AND next_attempt_at >= (SELECT events FROM since)
                                 ORDER BY next_attempt_at
                                 LIMIT %(limit)s) AS untried
           WHERE created_at < now() - make_interval(secs => %(age)s))
       + (SELECT count(*) FROM (SELECT FROM outbox WHERE refused_at IS NOT NULL AND delivered_at IS NULL LIMIT %(limit)s) AS refused)
       + (SELECT count(*) FROM (SELECT * FROM audit_log ORDER BY audit_id DESC LIMIT %(looked)s) AS entry
           WHERE action = 'contradiction' AND at > now() - make_interval(secs => %(recent)s)
             AND (refund_id IS NOT NULL
                  OR NOT EXISTS (SELECT FROM payments AS p
                                  WHERE p.payment_id = entry.payment_id AND p.late_charge_id = entry.gateway_id LIMIT 1)))
       + (SELECT count(*) FROM (SELECT FROM payment_disputes
                                 WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by > now() LIMIT %(limit)s) AS due)
       + (SELECT count(*) FROM (SELECT FROM (SELECT reconciliation_id FROM reconciliations WHERE to_at > now() - interval '35 days'
                                              ORDER BY to_at DESC LIMIT %(looked)s) AS r
                                CROSS JOIN LATERAL (
                                      SELECT FROM reconciled_movements
                                       WHERE reconciliation_id = r.reconciliation_id AND verdict NOT IN ('matched', 'not_yet_due')
                                       LIMIT 1) AS differs
                                LIMIT %(limit)s) AS differing) AS count
