-- The reconciliations of times that ended within 35 days whose gateway's books and ours do not have everything alike, the latest first
-- (idx_reconciliations_to_at): how much differs is counted up to `most_counted` each (idx_reconciled_movements_differ).
SELECT r.reconciliation_id, r.gateway, r.from_at, r.to_at, found.count
  FROM (SELECT * FROM reconciliations WHERE to_at > now() - interval '35 days' ORDER BY to_at DESC LIMIT %(looked)s) AS r
 CROSS JOIN LATERAL (
       SELECT count(*) AS count
         FROM (SELECT FROM reconciled_movements
                WHERE reconciliation_id = r.reconciliation_id AND verdict NOT IN ('matched', 'not_yet_due')
                ORDER BY movement LIMIT %(most_counted)s) AS differs) AS found
 WHERE found.count > 0
 ORDER BY r.to_at DESC, r.reconciliation_id DESC
 LIMIT %(limit)s
