-- Of the newest `limit` payments that were settled of the last hour, and of the day before it: how many there are, and how many of
-- them failed. By the newest of each status and method (idx_payments_status alone), as in `payments`.
SELECT counted.*
  FROM (VALUES (1, now() - interval '1 hour', 'infinity'::timestamptz),
               (2, now() - interval '25 hours', now() - interval '1 hour')) AS time (place, since, until)
 CROSS JOIN LATERAL (
        SELECT count(*) AS settled, count(*) FILTER (WHERE newest.status = 'FAILED') AS failed
          FROM (SELECT s.status
                  FROM unnest(ARRAY['SUCCESS', 'FAILED', 'REFUNDED']) AS s (status)
                 CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
                 CROSS JOIN LATERAL (
                    SELECT created_at, payment_id
                      FROM payments
                     WHERE status = s.status AND method = m.method AND created_at >= time.since AND created_at < time.until
                     ORDER BY created_at DESC, payment_id DESC
                     LIMIT %(limit)s) AS each
                 ORDER BY each.created_at DESC
                 LIMIT %(limit)s) AS newest) AS counted
 ORDER BY time.place
