-- Totals for each currency, summed over the shards: payments by status and method, sixteen rows at most for each; and settled
-- refunds, in one row that has neither. A currency of which nothing is left has no rows.
SELECT currency, status, method, sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM payment_totals
 GROUP BY currency, status, method
HAVING sum(count) <> 0
 UNION ALL
SELECT currency, NULL, NULL, sum(count)::bigint, sum(amount), 0
  FROM refund_totals
 GROUP BY currency
HAVING sum(count) <> 0
