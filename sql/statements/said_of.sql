-- What a gateway said by itself of a payment's charge, of its newest refunds and of its disputes, and what was read because of it, newest
-- first: by what it is about, or the charge that it names (idx_gateway_said_object_id, idx_gateway_said_charge_id).
WITH named AS (
    SELECT gateway, gateway_id FROM payments WHERE payment_id = %(payment_id)s
     UNION ALL
    SELECT gateway, late_charge_id FROM payments WHERE payment_id = %(payment_id)s
     UNION ALL
    (SELECT p.gateway, r.gateway_id
       FROM payment_refunds r JOIN payments p USING (payment_id)
      WHERE payment_id = %(payment_id)s
      ORDER BY r.created_at DESC, r.refund_id DESC
      LIMIT %(limit)s)
     UNION ALL
    (SELECT gateway, gateway_id FROM payment_disputes WHERE payment_id = %(payment_id)s ORDER BY dispute_id DESC LIMIT %(limit)s)
), found AS (
    SELECT said.said_id
      FROM named
     CROSS JOIN LATERAL (
            (SELECT said_id FROM gateway_said
              WHERE object_id = named.gateway_id AND gateway = named.gateway
              ORDER BY object_id DESC, said_id DESC LIMIT %(limit)s)
             UNION
            (SELECT said_id FROM gateway_said
              WHERE charge_id = named.gateway_id AND gateway = named.gateway
              ORDER BY charge_id DESC, said_id DESC LIMIT %(limit)s)) AS said
     GROUP BY said.said_id
     ORDER BY said.said_id DESC
     LIMIT %(limit)s
)
SELECT at, source, type, object_id, said::text AS said
  FROM found JOIN gateway_said USING (said_id)
 ORDER BY said_id DESC
