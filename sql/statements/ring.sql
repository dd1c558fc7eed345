-- Rings for an object of a gateway's: a row of its own (primary key), which is due at once, however often it rings.
INSERT INTO gateway_rings AS r (gateway, kind, object_id)
VALUES (%(gateway)s, %(kind)s, %(object_id)s)
    ON CONFLICT (gateway, kind, object_id) DO UPDATE SET rings = r.rings + 1, ask_after = least(r.ask_after, now())
