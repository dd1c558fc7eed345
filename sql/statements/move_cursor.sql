-- Notes how far a gateway's own list of events was read (primary key), by whoever still has it: no row where the lease is another's.
UPDATE gateway_cursors
   SET read_until = %(read_until)s, place = %(place)s
 WHERE gateway = %(gateway)s AND read_after = %(read_after)s
RETURNING gateway
