-- The newest payments of one trip that match, page by page (idx_payments_trip_id, and no other: the conditions on status and
-- method are written as no index has them, and as the planner expects most rows to fulfil). One bound, as in `payments`.
SELECT payment_json(payments)::text AS shown, created_at, payment_id
  FROM payments
 WHERE trip_id = %(trip_id)s
   AND array_position(%(statuses)s::text[], status) IS NOT NULL AND array_position(%(methods)s::text[], method) IS NOT NULL
   AND created_at >= %(from)s
   AND (created_at, payment_id) < (least(%(to)s::timestamptz, %(before)s::timestamptz),
                                   CASE WHEN %(to)s::timestamptz <= %(before)s::timestamptz THEN 0
                                        ELSE %(before_id)s::bigint END)
 ORDER BY created_at DESC, payment_id DESC
 LIMIT %(limit)s
