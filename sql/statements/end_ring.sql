-- Ends a ring that was answered (primary key). One that rang again since it was taken stays: what was read may be of before.
DELETE FROM gateway_rings
 WHERE gateway = %(gateway)s AND kind = %(kind)s AND object_id = %(object_id)s AND rings = %(rings)s
