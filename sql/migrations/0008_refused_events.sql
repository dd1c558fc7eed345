-- transactional: false

-- An event that the sink refused for good is set aside: `refused_at` says when, and `refusal` what was said last.
SET statement_timeout = 0;
ALTER TABLE outbox
    ADD COLUMN IF NOT EXISTS refusals integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refusal text,
    ADD COLUMN IF NOT EXISTS refused_at timestamptz;

-- CONCURRENTLY, and each dropped first, as in 0006_outbox_age. The first is empty in good times; the second finds what is to
-- be delivered before an event of the same payment.
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_refused;
CREATE INDEX CONCURRENTLY idx_outbox_refused ON outbox (refused_at) WHERE refused_at IS NOT NULL AND delivered_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_subject;
CREATE INDEX CONCURRENTLY idx_outbox_subject ON outbox (subject, created_at) WHERE delivered_at IS NULL;
