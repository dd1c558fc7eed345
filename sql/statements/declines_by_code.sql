-- With which codes payments that were made in a period were declined: of the newest `most` (idx_payments_status, of each method,
-- merged), whatever the period is.
SELECT failure_code AS code, count(*) AS count
  FROM (SELECT payment_id
          FROM unnest(%(methods)s::text[]) AS m (method)
         CROSS JOIN LATERAL (
            SELECT payment_id, created_at
              FROM payments
             WHERE status = 'FAILED' AND method = m.method
               AND created_at >= %(from)s::timestamptz AND created_at < %(to)s::timestamptz
             ORDER BY created_at DESC, payment_id DESC
             LIMIT %(most)s) AS of_method
         ORDER BY created_at DESC, payment_id DESC
         LIMIT %(most)s) AS newest
 CROSS JOIN LATERAL (SELECT failure_code, currency FROM payments WHERE payment_id = newest.payment_id LIMIT 1) AS declined
 WHERE currency = %(currency)s
 GROUP BY failure_code
 ORDER BY count DESC, code
