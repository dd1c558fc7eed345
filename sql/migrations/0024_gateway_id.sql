-- transactional: false

-- A payment is found by what its gateway calls it.
-- CONCURRENTLY, and dropped first, as in 0006_outbox_age.
SET statement_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_payments_gateway_id;
CREATE INDEX CONCURRENTLY idx_payments_gateway_id ON payments (gateway_id) WHERE gateway_id IS NOT NULL;
