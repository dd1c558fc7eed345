-- Keeps what the gateway said, each time that it was asked under one lease: once, however often this is repeated
-- (gateway_askings_once), and not what the charge or refund tells itself (`asked_ms`, found by their primary keys).
INSERT INTO gateway_askings (payment_id, refund_id, asked, step, how, said, code, why, gateway_id, duration_ms, actor)
SELECT %(payment_id)s, %(refund_id)s, %(asked)s, step, how, said, code, why, gateway_id, duration_ms, %(asked_by)s
  FROM unnest(%(hows)s::text[], %(saids)s::text[], %(codes)s::text[], %(whys)s::text[], %(gateway_ids)s::text[],
              %(durations)s::integer[]) WITH ORDINALITY AS asking (how, said, code, why, gateway_id, duration_ms, step)
 WHERE NOT EXISTS (SELECT FROM payments WHERE payment_id = %(payment_id)s AND asked_ms IS NOT NULL
                      AND %(asked)s = 1 AND %(refund_id)s::bigint IS NULL)
   AND NOT EXISTS (SELECT FROM payment_refunds WHERE refund_id = %(refund_id)s AND asked_ms IS NOT NULL AND %(asked)s = 1)
    ON CONFLICT DO NOTHING
