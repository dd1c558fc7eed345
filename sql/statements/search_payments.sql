-- The newest payments that a person looks for, page by page. What status, method, dates and trip leave is found by
-- idx_payments_status as in `payments`, or by idx_payments_trip_id as in `payments_of_trip`; no more than `looked` of it are looked
-- at, whatever amount and gateway then take away, which no index serves. So a page costs the same however many payments there are.
-- Each row says how many were looked at, and where looking ended; where nothing fits there is one row with nothing else in it.
WITH bound AS (
    SELECT least(%(to)s::timestamptz, %(before)s::timestamptz) AS before,
           CASE WHEN %(to)s::timestamptz <= %(before)s::timestamptz THEN 0 ELSE %(before_id)s::bigint END AS before_id,
           (SELECT requests FROM open_from) AS open_from,
           CASE WHEN %(trip_id)s::bigint IS NULL THEN %(statuses)s::text[] END AS statuses
), candidates AS (
    SELECT newest.created_at, newest.payment_id
      FROM unnest((SELECT statuses FROM bound)) AS s (status)
     CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
     CROSS JOIN LATERAL (
        SELECT created_at, payment_id
          FROM payments
         WHERE status = s.status AND method = m.method
           AND created_at >= greatest(%(from)s::timestamptz,
                                      CASE s.status WHEN 'PENDING' THEN (SELECT open_from FROM bound) END)
           AND (created_at, payment_id) < ((SELECT before FROM bound), (SELECT before_id FROM bound))
         ORDER BY created_at DESC, payment_id DESC
         LIMIT %(looked)s) AS newest
     UNION ALL
    SELECT created_at, payment_id
      FROM payments
     WHERE status = 'PENDING' AND gateway IS NULL AND created_at < (SELECT open_from FROM bound)
       AND status || '' = ANY ((SELECT statuses FROM bound)::text[]) AND method || '' = ANY (%(methods)s)
       AND created_at >= %(from)s
       AND (created_at, payment_id) < ((SELECT before FROM bound), (SELECT before_id FROM bound))
     UNION ALL
    (SELECT created_at, payment_id
       FROM payments
      WHERE trip_id = %(trip_id)s
        AND array_position(%(statuses)s::text[], status) IS NOT NULL AND array_position(%(methods)s::text[], method) IS NOT NULL
        AND created_at >= %(from)s
        AND (created_at, payment_id) < ((SELECT before FROM bound), (SELECT before_id FROM bound))
      ORDER BY created_at DESC, payment_id DESC
      LIMIT %(looked)s)
     ORDER BY created_at DESC, payment_id DESC
     LIMIT %(looked)s
)
SELECT found.*, (SELECT count(*) FROM candidates) AS looked, last.created_at AS looked_to, last.payment_id AS looked_to_id
  FROM (SELECT * FROM candidates ORDER BY created_at, payment_id LIMIT 1) AS last
  LEFT JOIN LATERAL (
        SELECT p.*
          FROM (SELECT * FROM candidates ORDER BY created_at DESC, payment_id DESC) AS candidate
         CROSS JOIN LATERAL (
            SELECT payment_id, reference, created_at, updated_at, trip_id, method, status, failure_code, amount, currency,
                   refunded_amount, reserved_amount, gateway, gateway_id
              FROM payments
             WHERE payment_id = candidate.payment_id
             LIMIT 1) AS p
         WHERE p.amount >= coalesce(%(least)s, 0::numeric) AND p.amount <= coalesce(%(most)s, 'Infinity'::numeric)
           AND (%(gateway)s::text IS NULL OR coalesce(p.gateway, 'none') = %(gateway)s)
         LIMIT %(limit)s) AS found ON true
 ORDER BY found.created_at DESC, found.payment_id DESC
