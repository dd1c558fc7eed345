-- Folds the oldest entries of the totals, says how many, and notes where what is open and what is over begins. Any number at once:
-- each is done by one of them. Charges do it too, by chance (`keep_up`, a trigger); a sweep does where none come.
SELECT fold_totals() AS folded, note_oldest() IS NULL AS noted
