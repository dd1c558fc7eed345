-- One payment, as a client sees it; and, where it waits for its customer, with what they are to do, secrets of the gateway's among it.
SELECT payment_json(payments)::text AS shown,
       CASE WHEN next_action IS NOT NULL THEN payment_to_act_on_json(payments)::text END AS to_act_on
  FROM payments WHERE payment_id = %(payment_id)s
