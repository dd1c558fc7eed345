-- transactional: false

-- Rows of the seed that are PENDING, which nobody ever settles: a listing finds them here, and all others that are PENDING among the
-- requests that are open (`open_from`). idx_payments_status keeps an entry of each payment that was PENDING once until a vacuum.
-- CONCURRENTLY, and dropped first, as in 0006_outbox_age.
SET statement_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_payments_pending_history;
CREATE INDEX CONCURRENTLY idx_payments_pending_history ON payments (created_at) WHERE status = 'PENDING' AND gateway IS NULL;
