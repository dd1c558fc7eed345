-- The newest payments that match, page by page: for each status and method asked for, the newest rows by
-- idx_payments_status, merged; so a page costs the same however many payments there are, and however deep it lies: the lower of
-- `to` and of (before, before_id), where the page before ended, is one bound, which the index begins at. What is PENDING is open,
-- and looked for from where `open_from` says that this begins, but for rows of the seed (idx_payments_pending_history).
WITH bound AS (
    SELECT least(%(to)s::timestamptz, %(before)s::timestamptz) AS before,
           CASE WHEN %(to)s::timestamptz <= %(before)s::timestamptz THEN 0 ELSE %(before_id)s::bigint END AS before_id,
           (SELECT requests FROM open_from) AS open_from
), page AS (
    SELECT newest.created_at, newest.payment_id
      FROM unnest(%(statuses)s::text[]) AS s (status)
     CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
     CROSS JOIN LATERAL (
        SELECT created_at, payment_id
          FROM payments
         WHERE status = s.status AND method = m.method
           AND created_at >= greatest(%(from)s::timestamptz,
                                      CASE s.status WHEN 'PENDING' THEN (SELECT open_from FROM bound) END)
           AND (created_at, payment_id) < ((SELECT before FROM bound), (SELECT before_id FROM bound))
         ORDER BY created_at DESC, payment_id DESC
         LIMIT %(limit)s) AS newest
     UNION ALL
    SELECT created_at, payment_id
      FROM payments
     WHERE status = 'PENDING' AND gateway IS NULL AND created_at < (SELECT open_from FROM bound)
       AND status || '' = ANY (%(statuses)s) AND method || '' = ANY (%(methods)s)
       AND created_at >= %(from)s
       AND (created_at, payment_id) < ((SELECT before FROM bound), (SELECT before_id FROM bound))
     ORDER BY created_at DESC, payment_id DESC
     LIMIT %(limit)s
)
SELECT (SELECT payment_json(payments)::text FROM payments WHERE payment_id = page.payment_id) AS shown, created_at, payment_id
  FROM page
 ORDER BY created_at DESC, payment_id DESC
