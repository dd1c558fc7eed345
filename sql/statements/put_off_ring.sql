-- Puts a ring off that could not be answered (primary key), and keeps why. One that rang again since it was taken stays due.
UPDATE gateway_rings
   SET tries = tries + 1, why = %(why)s,
       ask_after = CASE rings WHEN %(rings)s THEN now() + make_interval(secs => %(pause)s) ELSE ask_after END
 WHERE gateway = %(gateway)s AND kind = %(kind)s AND object_id = %(object_id)s
