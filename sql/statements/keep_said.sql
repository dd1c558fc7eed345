-- Keeps an event of a gateway's, once by whichever way it came (gateway_said_once), and rings for the object that it is about (its primary
-- key), in one commit. A webhook rings however often it comes; an event that was only listed rings the first time. Nothing is to be read
-- where it says that a charge was paid which the books have as paid (idx_payments_gateway_id). The row says whether it rang.
WITH kept AS (
    INSERT INTO gateway_said (gateway, source, event_id, type, object_id, charge_id, said)
    VALUES (%(gateway)s, %(source)s, %(event_id)s, %(type)s, %(object_id)s, %(charge_id)s, %(said)s)
        ON CONFLICT (gateway, event_id) WHERE event_id IS NOT NULL DO NOTHING
    RETURNING said_id
), rung AS (
    INSERT INTO gateway_rings AS r (gateway, kind, object_id)
    SELECT %(gateway)s, %(kind)s, %(object_id)s
     WHERE %(kind)s::text IS NOT NULL
       AND (%(source)s = 'webhook' OR EXISTS (SELECT FROM kept))
       AND NOT (%(succeeded)s AND EXISTS (SELECT FROM payments
                                           WHERE gateway_id = %(object_id)s AND gateway = %(gateway)s
                                             AND status IN ('SUCCESS', 'REFUNDED')))
        ON CONFLICT (gateway, kind, object_id) DO UPDATE SET rings = r.rings + 1, ask_after = least(r.ask_after, now())
    RETURNING rings
)
SELECT EXISTS (SELECT FROM rung) AS rang
