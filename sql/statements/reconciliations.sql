-- What was compared with gateways' books, the latest times first (idx_reconciliations_to_at): a page. `under_way`: somebody works on it now.
SELECT reconciliation_id, gateway, account, from_at, to_at, phase, run, begun_at, finished_at, movements, differences,
       coalesce(working_until > now(), false) AS under_way
  FROM reconciliations
 WHERE (to_at, reconciliation_id) < (%(before)s, %(before_id)s)
 ORDER BY to_at DESC, reconciliation_id DESC
 LIMIT %(limit)s
