-- The newest payments of one trip that match, page by page (idx_payments_trip_id).
SELECT payment_json(payments)::text AS shown, created_at, payment_id
  FROM payments
 WHERE trip_id = %(trip_id)s
   AND status = ANY (%(statuses)s) AND method = ANY (%(methods)s)
   AND created_at >= %(from)s AND created_at < %(to)s
   AND (created_at, payment_id) < (%(before)s, %(before_id)s)
 ORDER BY created_at DESC, payment_id DESC
 LIMIT %(limit)s
