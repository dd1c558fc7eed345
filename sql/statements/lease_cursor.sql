-- Takes a gateway's own list of events for a while, which is also the pause until it is read again: over all sweeps together, by the
-- database's clock, and no row for whoever comes earlier (primary key). The first time it begins here and now. A clock that was put back
-- keeps nobody waiting for longer, nor does it skip anything.
INSERT INTO gateway_cursors AS c (gateway, read_until, read_after)
VALUES (%(gateway)s, now(), now() + make_interval(secs => %(pause)s))
    ON CONFLICT (gateway) DO UPDATE SET read_after = EXCLUDED.read_after
 WHERE c.read_after <= now() OR c.read_after > EXCLUDED.read_after
RETURNING least(read_until, now()) AS read_until, place, read_after, now() AS now
