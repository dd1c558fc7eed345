-- The payment that a charge of the gateway's is: the one whose reference it bears (the unique index on references), else the one that is
-- known to have its id (idx_payments_gateway_id). One row or none.
SELECT payment_id, reference, status, failure_code, currency, amount, gateway_id, late_charge_id
  FROM ((SELECT *, 1 AS place FROM payments WHERE reference = %(reference)s)
         UNION ALL
        (SELECT *, 2 FROM payments WHERE gateway_id = %(gateway_id)s)) AS p
 WHERE gateway = %(gateway)s
 ORDER BY place
 LIMIT 1
