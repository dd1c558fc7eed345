-- Keeps what the gateway said when somebody looked at what was settled already: behind all askings of it, which are found by
-- gateway_askings_once. Of two at one moment the one that comes second may be refused; then it is repeated.
INSERT INTO gateway_askings (payment_id, refund_id, asked, step, how, said, code, why, gateway_id, duration_ms, actor)
SELECT %(payment_id)s, %(refund_id)s, coalesce(last.asked, 1), coalesce(last.step, 1) + 1, how, said, code, why, gateway_id, duration_ms,
       %(asked_by)s
  FROM unnest(%(hows)s::text[], %(saids)s::text[], %(codes)s::text[], %(whys)s::text[], %(gateway_ids)s::text[],
              %(durations)s::integer[]) AS asking (how, said, code, why, gateway_id, duration_ms)
  LEFT JOIN LATERAL (
        (SELECT asked, step FROM gateway_askings
          WHERE payment_id = %(payment_id)s AND refund_id IS NULL AND %(refund_id)s::bigint IS NULL
          ORDER BY payment_id DESC, refund_id DESC, asked DESC, step DESC LIMIT 1)
         UNION ALL
        (SELECT asked, step FROM gateway_askings
          WHERE payment_id = %(payment_id)s AND refund_id = %(refund_id)s
          ORDER BY payment_id DESC, refund_id DESC, asked DESC, step DESC LIMIT 1)) AS last ON true
