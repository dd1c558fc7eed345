-- Within how many seconds half of the payments that were made in a period were charged or declined, and 95 in 100: of the newest `most`
-- that are (idx_payments_status, of each status and method, merged), whatever the period is. Rows of the seed never were.
SELECT count(*) AS count,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS half,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS nearly_all
  FROM (SELECT payment_id
          FROM unnest('{SUCCESS,REFUNDED,FAILED}'::text[]) AS s (status)
         CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
         CROSS JOIN LATERAL (
            SELECT payment_id, created_at
              FROM payments
             WHERE status = s.status AND method = m.method
               AND created_at >= %(from)s::timestamptz AND created_at < %(to)s::timestamptz
             ORDER BY created_at DESC, payment_id DESC
             LIMIT %(most)s) AS of_one
         ORDER BY created_at DESC, payment_id DESC
         LIMIT %(most)s) AS newest
 CROSS JOIN LATERAL (
    SELECT extract(epoch FROM coalesce((SELECT issued_at FROM payment_receipts WHERE payment_id = p.payment_id), updated_at)
                              - created_at)::float8 AS seconds
      FROM payments p
     WHERE payment_id = newest.payment_id AND gateway IS NOT NULL AND currency = %(currency)s LIMIT 1) AS settled
