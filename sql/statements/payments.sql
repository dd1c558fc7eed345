-- The newest payments that match, page by page: for each status and method asked for, the newest rows by
-- idx_payments_status, merged; so a page costs the same however many payments there are, and however deep it lies: the lower of
-- `to` and of (before, before_id), where the page before ended, is one bound, which the index begins at.
SELECT (SELECT payment_json(payments)::text FROM payments WHERE payment_id = page.payment_id) AS shown,
       page.created_at, page.payment_id
  FROM (SELECT newest.created_at, newest.payment_id
          FROM unnest(%(statuses)s::text[]) AS s (status)
         CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
         CROSS JOIN LATERAL (
            SELECT created_at, payment_id
              FROM payments
             WHERE status = s.status AND method = m.method AND created_at >= %(from)s
               AND (created_at, payment_id) < (least(%(to)s::timestamptz, %(before)s::timestamptz),
                                               CASE WHEN %(to)s::timestamptz <= %(before)s::timestamptz THEN 0
                                                    ELSE %(before_id)s::bigint END)
             ORDER BY created_at DESC, payment_id DESC
             LIMIT %(limit)s) AS newest
         ORDER BY newest.created_at DESC, newest.payment_id DESC
         LIMIT %(limit)s) AS page
 ORDER BY page.created_at DESC, page.payment_id DESC
