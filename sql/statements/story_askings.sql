-- The newest askings of a charge and of each of these refunds of it (gateway_askings_once; what their own rows tell, by their keys), in
-- their order; and in each row how many rows gateway_askings has of the payment, counted no further than `most_counted`: in one row
-- without an asking, where there is none.
WITH shown AS (
    (SELECT * FROM askings
      WHERE payment_id = %(payment_id)s AND refund_id IS NULL
      ORDER BY payment_id DESC, refund_id DESC, asked DESC, step DESC
      LIMIT %(limit)s)
     UNION ALL
    (SELECT newest.*
       FROM unnest(%(refund_ids)s::bigint[]) AS refund (refund_id)
      CROSS JOIN LATERAL (
            SELECT * FROM askings
             WHERE askings.payment_id = %(payment_id)s AND askings.refund_id = refund.refund_id
             ORDER BY payment_id DESC, refund_id DESC, asked DESC, step DESC
             LIMIT %(limit)s) AS newest)
)
SELECT shown.*, counted.every
  FROM (SELECT count(*) AS every
          FROM (SELECT FROM gateway_askings WHERE payment_id = %(payment_id)s
                 ORDER BY payment_id, refund_id, asked, step LIMIT %(most_counted)s) AS each) AS counted
  LEFT JOIN shown ON true
 ORDER BY shown.asked, shown.step
