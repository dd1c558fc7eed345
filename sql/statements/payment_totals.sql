-- Totals for each currency: payments by status and method, sixteen rows at most for each; settled refunds, in one row that has
-- neither; and disputes by status, `DISPUTE OPEN` and so on, which have no method. A currency of which nothing is left has no rows.
-- Reads the entries since the last fold (idx_totals_entries_written), some thousands, however many payments there are.
SELECT currency, status, method, sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM totals_with_disputes
 GROUP BY currency, status, method
HAVING sum(count) <> 0
