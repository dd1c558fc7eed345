-- Of a reconciliation's movements, so many in the order of their names from one on (primary key): deletes such as this run did not see, and
-- counts the others by what they are and what was found. In every row the name of the last; that alone where all were deleted, and
-- an empty one where there are no more.
WITH page AS (
    SELECT movement FROM reconciled_movements
     WHERE reconciliation_id = %(reconciliation_id)s AND movement > %(after)s
     ORDER BY movement
     LIMIT %(limit)s
), gone AS (
    DELETE FROM reconciled_movements AS m
     USING page
     WHERE m.reconciliation_id = %(reconciliation_id)s AND m.movement = page.movement AND m.run < %(run)s
), counted AS (
    SELECT verdict, count(*) AS count
      FROM page
      JOIN reconciled_movements AS m ON m.reconciliation_id = %(reconciliation_id)s AND m.movement = page.movement
     WHERE m.run >= %(run)s
     GROUP BY verdict
)
SELECT last.movement AS last, counted.*
  FROM (SELECT max(movement) AS movement FROM page) AS last
  LEFT JOIN counted ON true
