-- For 0020_fold_past_writers, and before it by itself: whoever reads the totals locks their view first and then this table, so both
-- at once could deadlock with them. A backup may be reading it, as in 0011_totals_entries.
SET LOCAL lock_timeout = '4s';
ALTER TABLE totals_folded ADD COLUMN passed_over xid8[] NOT NULL DEFAULT '{}';
