-- The times since a moment in which the books were compared with those of a gateway's account, to the end, and after the time was over (the
-- unique index on gateway and account). `is_over`: all of it was due by then, or that was today already.
SELECT from_at, to_at, not_yet_due = 0 OR finished_at >= %(today)s AS is_over
  FROM reconciliations
 WHERE gateway = %(gateway)s AND account = %(account)s AND to_at > %(since)s AND finished_at >= to_at
