-- transactional: false

-- An event that the sink refused for good is set aside: `refused_at` says when, and `refusal` what was said last.
SET statement_timeout = 0;
ALTER TABLE outbox
    ADD COLUMN IF NOT EXISTS refusals integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refusal text,
    ADD COLUMN IF NOT EXISTS refused_at timestamptz;

-- CONCURRENTLY, and each dropped first, as in 0006_outbox_age. Events that are due and were never tried, and those that failed,
-- are found apart, so that however many there are of one, they are in nobody's way to the other; the earliest of a payment's;
-- and what was set aside. Their conditions are unlike that of idx_outbox_undelivered, which the functions of the version
-- before need until they are gone.
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_untried;
CREATE INDEX CONCURRENTLY idx_outbox_untried ON outbox (next_attempt_at, created_at)
    WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_failed;
CREATE INDEX CONCURRENTLY idx_outbox_failed ON outbox (next_attempt_at, created_at)
    WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_subject;
CREATE INDEX CONCURRENTLY idx_outbox_subject ON outbox (subject, created_at) WHERE num_nulls(delivered_at, refused_at) = 2;
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_refused;
CREATE INDEX CONCURRENTLY idx_outbox_refused ON outbox (refused_at) WHERE refused_at IS NOT NULL AND delivered_at IS NULL;
