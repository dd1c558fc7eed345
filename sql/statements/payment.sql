-- One payment, as a client sees it; with what its customer is to do, secrets of the gateway's among it, only where that is asked for.
SELECT CASE WHEN %(to_act_on)s THEN payment_to_act_on_json(payments) ELSE payment_json(payments) END::text AS shown
  FROM payments WHERE payment_id = %(payment_id)s
