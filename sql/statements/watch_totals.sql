-- What whoever is on call watches. What is open is read oldest first, from where `open_from` says that it begins and no further
-- than `most_counted` (idx_idempotency_oldest, idx_outbox_oldest; idx_outbox_untried, idx_outbox_failed), so that it takes no
-- longer however much that is, and however much was open before: the ages are exact, and a count that reaches `most_counted`
-- means "at least". What waits for its customer is pending, and of no age until it is waited for no longer: it is younger than
-- whatever is stuck for longer than that. Events that were set aside (idx_outbox_refused) are counted apart: nobody waits for them.
-- So are rings that are still to be answered (idx_gateway_rings_rung_at), with the age of the oldest. Contradictions are few
-- (idx_audit_log_contradictions), and counted but for charges that were paid late and are given back or adopted (payments_pkey).
-- `evidence_due`: within how many seconds the next evidence in a dispute is due that can still be sent (idx_payment_disputes_open);
-- NULL where none is. `differences`: movements that the gateway's books and ours do not have alike, in times that ended within 35 days
-- (idx_reconciliations_to_at, idx_reconciled_movements_differ), each once however many of those times have it; `unreconciled`: the seconds
-- since the end of the latest time that was compared to its end once it was over, 0 where none was.
WITH since AS (SELECT * FROM open_from)
SELECT unsettled.count AS pending_count, unsettled.oldest AS pending_oldest,
       least(untried.count + failed.count, %(most_counted)s) AS undelivered_count,
       coalesce((SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox
                  WHERE num_nulls(delivered_at) = 1 AND refused_at IS NULL AND created_at >= (SELECT events FROM since)
                  ORDER BY created_at LIMIT 1), 0) AS undelivered_oldest,
       refused.count AS refused_count,
       (SELECT count(*) FROM audit_log AS entry
         WHERE action = 'contradiction'
           AND (refund_id IS NOT NULL
                OR NOT EXISTS (SELECT FROM payments AS p
                                WHERE p.payment_id = entry.payment_id AND p.late_charge_id = entry.gateway_id LIMIT 1)))
       AS contradiction_count,
       (SELECT extract(epoch FROM min(evidence_due_by) - now())::float8 FROM payment_disputes
         WHERE status IN ('INQUIRY', 'OPEN') AND evidence_due_by > now()) AS evidence_due,
       rings.count AS ring_count, rings.oldest AS ring_oldest,
       differing.count AS differences,
       coalesce((SELECT extract(epoch FROM now() - to_at)::float8 FROM reconciliations
                  WHERE finished_at >= to_at ORDER BY to_at DESC LIMIT 1), 0) AS unreconciled
  FROM (SELECT count(*) AS count, greatest(extract(epoch FROM now() - min(coalesce(act_by, created_at))), 0)::float8 AS oldest
          FROM (SELECT created_at, act_by FROM idempotency_keys
                 WHERE num_nulls(answer_status) = 1 AND created_at >= (SELECT requests FROM since)
                 ORDER BY created_at LIMIT %(most_counted)s) AS oldest) AS unsettled,
       (SELECT count(*) FROM (SELECT FROM outbox
                               WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0
                                 AND next_attempt_at >= (SELECT events FROM since)
                               LIMIT %(most_counted)s) AS untried) AS untried,
       (SELECT count(*) FROM (SELECT FROM outbox
                               WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0
                                 AND next_attempt_at >= (SELECT events FROM since)
                               LIMIT %(most_counted)s) AS failed) AS failed,
       (SELECT count(*) FROM (SELECT FROM outbox WHERE refused_at IS NOT NULL AND delivered_at IS NULL
                               LIMIT %(most_counted)s) AS refused) AS refused,
       (SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(rung_at)), 0)::float8 AS oldest
          FROM (SELECT rung_at FROM gateway_rings ORDER BY rung_at LIMIT %(most_counted)s) AS rung) AS rings,
       (SELECT count(*)
          FROM (SELECT DISTINCT gateway, account, movement
                  FROM (SELECT r.gateway, r.account, m.movement
                          FROM (SELECT reconciliation_id, gateway, account FROM reconciliations
                                 WHERE to_at > now() - interval '35 days' ORDER BY to_at DESC LIMIT %(most_counted)s) AS r
                         CROSS JOIN LATERAL (
                               SELECT movement FROM reconciled_movements
                                WHERE reconciliation_id = r.reconciliation_id AND verdict NOT IN ('matched', 'not_yet_due')
                                ORDER BY movement LIMIT %(most_counted)s) AS m
                         LIMIT %(most_counted)s) AS found) AS each) AS differing
