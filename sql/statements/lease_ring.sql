-- Takes a ring for a while, if it is due (primary key): whoever wants to answer it meanwhile gets no row, unless it rings again.
UPDATE gateway_rings
   SET ask_after = now() + make_interval(secs => %(lease)s)
 WHERE gateway = %(gateway)s AND kind = %(kind)s AND object_id = %(object_id)s AND ask_after <= now()
RETURNING gateway, kind, object_id, rings, tries, extract(epoch FROM now() - rung_at)::float8 AS age, why
