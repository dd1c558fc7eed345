-- The times since a moment in which the books were compared with those of a gateway's account, to the end, and after the time was over (the
-- unique index on gateway and account).
SELECT from_at, to_at FROM reconciliations
 WHERE gateway = %(gateway)s AND account = %(account)s AND to_at > %(since)s AND finished_at >= to_at
