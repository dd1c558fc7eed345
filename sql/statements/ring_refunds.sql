-- Rings for the refunds of a payment that are given back, as the books have it, but for one (by an index on refunds of a payment,
-- or on those that have a name there): each as `ring`, in the order of their names, so that of two who ring for several neither waits
-- for the other.
INSERT INTO gateway_rings AS r (gateway, kind, object_id)
SELECT DISTINCT p.gateway, 'refund', f.gateway_id
  FROM payment_refunds f
  JOIN payments p ON p.payment_id = f.payment_id
 WHERE f.payment_id = %(payment_id)s AND f.status = 'REFUNDED' AND f.gateway_id <> %(gateway_id)s
 ORDER BY f.gateway_id
    ON CONFLICT (gateway, kind, object_id) DO UPDATE SET rings = r.rings + 1, ask_after = least(r.ask_after, now())
