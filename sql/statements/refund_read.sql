-- The refund that one of the gateway's is in the books: the row that it was entered as (payment_refunds_entered_once), else the one whose
-- reference it bears, of the charge that it gives back (the unique index on references), else the one that is known to have its id
-- (idx_payment_refunds_gateway_id). One row or none.
SELECT r.payment_id, r.refund_id, r.status, r.reference, r.amount, r.failure_code, r.gateway_id, r.source, p.currency
  FROM ((SELECT *, 1 AS place FROM payment_refunds WHERE gateway_id = %(gateway_id)s AND source = 'gateway')
         UNION ALL
        (SELECT *, 2 FROM payment_refunds WHERE reference = %(reference)s)
         UNION ALL
        (SELECT *, 3 FROM payment_refunds WHERE gateway_id = %(gateway_id)s)) AS r
  JOIN payments p ON p.payment_id = r.payment_id
 WHERE p.gateway = %(gateway)s
   AND coalesce(coalesce(r.charge_id, p.gateway_id) = %(charge_id)s, true)
 ORDER BY r.place
 LIMIT 1
