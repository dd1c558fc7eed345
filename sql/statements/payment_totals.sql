-- Payments by status and method, summed over the shards: sixteen rows at most for each.
SELECT status, method, sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM payment_totals
 GROUP BY status, method
