-- What the books have of each of these movements of a gateway's, at most one row for each. A charge is the payment whose reference it bears
-- (the unique index on references), else the one that is known to have its id (idx_payments_gateway_id). A refund is found as by
-- refund_read, and a dispute by its id (the unique index on those). Of a refund or a dispute that the books have not, the payment alone
-- that has its charge, or whose reference it bears: without a `status`. `known_as` is what the row is called at the gateway, once it is
-- settled; of a payment that FAILED, also where it stands alone, the charge that was paid late. `rung`: the object is still to be read (gateway_rings_pkey).
SELECT m.movement, ours.payment_id, ours.refund_id, ours.amount, ours.currency, ours.status, ours.known_as, ours.payment_status,
       EXISTS (SELECT FROM gateway_rings AS g
                WHERE g.gateway = %(gateway)s AND g.kind = m.object_kind AND g.object_id = m.object_id) AS rung
  FROM unnest(%(movements)s::text[], %(object_kinds)s::text[], %(object_ids)s::text[], %(charge_ids)s::text[],
              %(references)s::text[]) AS m (movement, object_kind, object_id, charge_id, reference)
  LEFT JOIN LATERAL (
       SELECT * FROM (
           (SELECT 1 AS place, payment_id, NULL::bigint AS refund_id, amount, currency, status,
                   CASE status WHEN 'FAILED' THEN late_charge_id WHEN 'PENDING' THEN NULL ELSE gateway_id END AS known_as,
                   status AS payment_status
              FROM payments
             WHERE m.object_kind = 'charge' AND reference = m.reference AND gateway = %(gateway)s)
            UNION ALL
           (SELECT 2, payment_id, NULL, amount, currency, status,
                   CASE status WHEN 'FAILED' THEN late_charge_id WHEN 'PENDING' THEN NULL ELSE gateway_id END, status
              FROM payments
             WHERE m.object_kind = 'charge' AND gateway_id = m.object_id AND gateway = %(gateway)s)
            UNION ALL
           (SELECT f.place, p.payment_id, f.refund_id, f.amount, p.currency, f.status,
                   CASE WHEN f.status <> 'PENDING' THEN f.gateway_id END, p.status
              FROM ((SELECT *, 1 AS place FROM payment_refunds WHERE gateway_id = m.object_id AND source = 'gateway')
                     UNION ALL
                    (SELECT *, 2 FROM payment_refunds WHERE reference = m.reference)
                     UNION ALL
                    (SELECT *, 3 FROM payment_refunds WHERE gateway_id = m.object_id)) AS f
              JOIN payments p ON p.payment_id = f.payment_id
             WHERE m.object_kind = 'refund' AND p.gateway = %(gateway)s
               AND coalesce(coalesce(f.charge_id, p.gateway_id) = m.charge_id, true))
            UNION ALL
           (SELECT 1, p.payment_id, NULL, d.amount, d.currency, d.status, d.gateway_id, p.status
              FROM payment_disputes d
              JOIN payments p ON p.payment_id = d.payment_id
             WHERE m.object_kind = 'dispute' AND d.gateway = %(gateway)s AND d.gateway_id = m.object_id)
            UNION ALL
           (SELECT 4, payment_id, NULL, NULL, NULL, NULL, CASE status WHEN 'FAILED' THEN late_charge_id END, status
              FROM payments
             WHERE m.object_kind IN ('refund', 'dispute') AND gateway_id = m.charge_id AND gateway = %(gateway)s)
            UNION ALL
           (SELECT 5, payment_id, NULL, NULL, NULL, NULL, NULL, status
              FROM payments
             WHERE m.object_kind = 'dispute' AND reference = m.reference AND gateway = %(gateway)s)
       ) AS found
        ORDER BY place
        LIMIT 1) AS ours ON true
