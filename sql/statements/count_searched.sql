-- How many payments status, method, dates and trip leave, counted up to `most` and no further (idx_payments_status,
-- idx_payments_pending_history, idx_payments_trip_id: conditions as in `search_payments`); and until when they were made: `to`, or now.
WITH asked AS (
    SELECT (SELECT requests FROM open_from) AS open_from,
           CASE WHEN %(trip_id)s::bigint IS NULL THEN %(statuses)s::text[] END AS statuses
)
SELECT count(*) AS count, least(%(to)s::timestamptz, now()) AS until
  FROM (SELECT
          FROM unnest((SELECT statuses FROM asked)) AS s (status)
         CROSS JOIN unnest(%(methods)s::text[]) AS m (method)
         CROSS JOIN LATERAL (
            SELECT
              FROM payments
             WHERE status = s.status AND method = m.method
               AND created_at >= greatest(%(from)s::timestamptz,
                                          CASE s.status WHEN 'PENDING' THEN (SELECT open_from FROM asked) END)
               AND created_at < %(to)s::timestamptz
             LIMIT %(most)s) AS each
         UNION ALL
        SELECT
          FROM payments
         WHERE status = 'PENDING' AND gateway IS NULL AND created_at < (SELECT open_from FROM asked)
           AND status || '' = ANY ((SELECT statuses FROM asked)::text[]) AND method || '' = ANY (%(methods)s)
           AND created_at >= %(from)s AND created_at < %(to)s
         UNION ALL
        SELECT
          FROM payments
         WHERE trip_id = %(trip_id)s
           AND array_position(%(statuses)s::text[], status) IS NOT NULL AND array_position(%(methods)s::text[], method) IS NOT NULL
           AND created_at >= %(from)s AND created_at < %(to)s
         LIMIT %(most)s) AS counted
