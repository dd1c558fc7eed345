-- Counts one start of a function among those that took at most `up_to` seconds: one row a function and bound (the primary key),
-- however many instances start. A count that is lost with the server is no harm, so the commit does not wait for the disk.
WITH asynchronous_commit AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO cold_starts AS known (function, up_to, count, seconds)
SELECT %(function)s, %(up_to)s, 1, %(seconds)s FROM asynchronous_commit
    ON CONFLICT (function, up_to) DO UPDATE
   SET count = known.count + 1, seconds = known.seconds + excluded.seconds
