-- Takes the reconciliation of a gateway's account over a time, or begins it (the unique index on those four): for a while, by the
-- database's clock, and no row where another has it. One that was stopped goes on at its place. One that is done is begun anew, unless it
-- was finished since `done_since`: then it is given as it is, without a lease. A clock that was put back keeps nobody waiting for longer.
INSERT INTO reconciliations AS r (gateway, account, from_at, to_at, working_until)
VALUES (%(gateway)s, %(account)s, %(from_at)s, %(to_at)s, now() + make_interval(secs => %(lease_seconds)s))
    ON CONFLICT (gateway, account, from_at, to_at) DO UPDATE
   SET working_until = CASE WHEN r.phase = 'done' AND r.finished_at >= %(done_since)s THEN NULL ELSE EXCLUDED.working_until END,
       phase = CASE WHEN r.phase <> 'done' OR r.finished_at >= %(done_since)s THEN r.phase ELSE 'gateway' END,
       run = CASE WHEN r.phase <> 'done' OR r.finished_at >= %(done_since)s THEN r.run ELSE r.run + 1 END,
       begun_at = CASE WHEN r.phase <> 'done' OR r.finished_at >= %(done_since)s THEN r.begun_at ELSE now() END
 WHERE r.working_until IS NULL OR r.working_until <= now() OR r.working_until > EXCLUDED.working_until
RETURNING reconciliation_id, run, phase, place, working_until, movements, differences
