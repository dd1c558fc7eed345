-- The cash that drivers took, less what of it was given back, by the days of a zone and by currency, of whole days: from what is kept by the
-- quarter of an hour (ledger_by_quarter_key), and the entries since the last fold (idx_totals_entries_written).
SELECT (at AT TIME ZONE %(zone)s)::date AS day, currency, sum(cash_with_drivers) AS cash
  FROM ledger_moves
 WHERE at >= %(from_at)s AND at < %(to_at)s
 GROUP BY 1, 2
HAVING sum(cash_with_drivers) <> 0
 ORDER BY 1, 2
