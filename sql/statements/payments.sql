-- The newest payments that match, page by page: for each status and method asked for, the newest rows by
-- idx_payments_status, merged; so a page costs the same however many payments there are. (before, before_id) is where the
-- page before ended.
SELECT payment_json(ROW(p.*)::payments)::text AS shown, p.created_at, p.payment_id
  FROM unnest(%(statuses)s::text[]) AS s (status)
 CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
 CROSS JOIN LATERAL (
    SELECT *
      FROM payments
     WHERE status = s.status AND method = m.method
       AND created_at >= %(from)s AND created_at < %(to)s
       AND (created_at, payment_id) < (%(before)s, %(before_id)s)
     ORDER BY created_at DESC, payment_id DESC
     LIMIT %(limit)s) AS p
 ORDER BY p.created_at DESC, p.payment_id DESC
 LIMIT %(limit)s
