-- Keeps a reconciliation for a while longer, for whoever has it (primary key): no row where it is another's by now. Zero seconds give it
-- back.
UPDATE reconciliations
   SET working_until = CASE WHEN %(lease_seconds)s > 0 THEN now() + make_interval(secs => %(lease_seconds)s) END
 WHERE reconciliation_id = %(reconciliation_id)s AND run = %(run)s AND working_until = %(working_until)s
RETURNING reconciliation_id, working_until
