-- What the gateway is asked with, of a request whose lease was taken: one row, or none where it is settled, by its primary key.
SELECT * FROM open_requests WHERE key_hash = %(key_hash)s
