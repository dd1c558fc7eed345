-- Keeps what was read of a gateway's object, for whoever argues with a bank: of charges and refunds where it is ours, by its
-- reference (payments_reference_key, payment_refunds_reference_key) or the charge's name (idx_payments_gateway_id), of disputes
-- always; unless it was read so the last time (idx_gateway_said_object_id).
INSERT INTO gateway_said (gateway, source, type, object_id, charge_id, said)
SELECT %(gateway)s, 'read', %(kind)s, %(object_id)s, %(charge_id)s, %(said)s::text::json
 WHERE (%(kind)s = 'dispute'
        OR EXISTS (SELECT FROM payments WHERE reference = %(reference)s)
        OR EXISTS (SELECT FROM payment_refunds WHERE reference = %(reference)s)
        OR EXISTS (SELECT FROM payments WHERE gateway_id = %(charge_id)s))
   AND %(said)s::text IS DISTINCT FROM
       (SELECT said::text FROM gateway_said
         WHERE object_id = %(object_id)s AND gateway = %(gateway)s AND source = 'read'
         ORDER BY said_id DESC LIMIT 1)
