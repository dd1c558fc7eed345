-- Folds the oldest entries of the totals, says how many, and notes where what is open and what is over begins. Any number at once:
-- each is done by one of them. One claim in a thousand does it too (the function `keep_up`); a sweep does it where none come. It need not
-- be durable at once: what is lost is done again.
WITH asynchronous_commit AS (SELECT set_config('synchronous_commit', 'off', true))
SELECT fold_totals() AS folded, note_oldest() IS NULL AS noted
  FROM asynchronous_commit
