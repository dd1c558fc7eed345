-- Takes the ring that has been due longest for a while, for a sweep: any number of sweeps each get another one (SKIP LOCKED on
-- idx_gateway_rings_ask_after). No row when nothing is due. One whose worker dies is due again when its lease is over.
WITH due AS (
    SELECT gateway, kind, object_id
      FROM gateway_rings
     WHERE ask_after <= now()
     ORDER BY ask_after
     LIMIT 1
       FOR UPDATE SKIP LOCKED
)
UPDATE gateway_rings AS r
   SET ask_after = now() + make_interval(secs => %(lease)s)
  FROM due
 WHERE (r.gateway, r.kind, r.object_id) = (due.gateway, due.kind, due.object_id)
RETURNING r.gateway, r.kind, r.object_id, r.rings, r.tries, extract(epoch FROM now() - r.rung_at)::float8 AS age, r.why
