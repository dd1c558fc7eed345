-- One reconciliation (reconciliations_pkey), and how many of its movements differ, by verdict: a row for each, one without where none does.
-- They are counted no further than `most_counted` (idx_reconciled_movements_differ).
SELECT r.reconciliation_id, r.gateway, r.account, r.from_at, r.to_at, r.phase, r.run, r.begun_at, r.finished_at, r.movements,
       r.differences, coalesce(r.working_until > now(), false) AS under_way, found.verdict, found.count
  FROM reconciliations AS r
  LEFT JOIN LATERAL (
       SELECT verdict, count(*) AS count
         FROM (SELECT verdict FROM reconciled_movements
                WHERE reconciliation_id = r.reconciliation_id AND verdict NOT IN ('matched', 'not_yet_due')
                ORDER BY movement LIMIT %(most_counted)s) AS differing
        GROUP BY verdict) AS found ON true
 WHERE r.reconciliation_id = %(reconciliation_id)s
 ORDER BY found.verdict
