-- Of a reconciliation's movements, so many in the order of their names from one on (primary key): deletes such as this run did not see, and
-- counts the others by what was found. In every row the name of the last; that alone where all were deleted, and an empty one where
-- there are no more.
WITH page AS MATERIALIZED (
    SELECT movement, run, verdict FROM reconciled_movements
     WHERE reconciliation_id = %(reconciliation_id)s AND movement > %(after)s
     ORDER BY movement
     LIMIT %(limit)s
), last AS MATERIALIZED (
    SELECT max(movement) AS movement FROM page
), gone AS (
    DELETE FROM reconciled_movements
     WHERE reconciliation_id = %(reconciliation_id)s AND movement > %(after)s AND movement <= (SELECT movement FROM last)
       AND run < %(run)s
), counted AS (
    SELECT verdict, count(*) AS count FROM page WHERE run >= %(run)s GROUP BY verdict
)
SELECT last.movement AS last, counted.* FROM last LEFT JOIN counted ON true
