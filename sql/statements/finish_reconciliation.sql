-- Notes that a reconciliation came to its end, and what it found, by whoever still has it (primary key): no row where it is another's.
UPDATE reconciliations
   SET phase = 'done', place = NULL, working_until = NULL, finished_at = now(), movements = %(count)s,
       differences = %(differences)s, not_yet_due = %(not_yet_due)s
 WHERE reconciliation_id = %(reconciliation_id)s AND run = %(run)s AND working_until = %(working_until)s
RETURNING reconciliation_id
