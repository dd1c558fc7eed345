-- transactional: false

-- What is still open, oldest first: for counts and ages that take no longer however much that is, for an operator's list, and
-- for deleting events that nobody is to get. Their condition is written unlike that of idx_outbox_undelivered and
-- idx_idempotency_open on purpose: the planner cannot tell that it is the same, and so never sorts what these give it where
-- those have the order that is asked for (with statistics from before a backlog, it did).
--
-- CONCURRENTLY, which no transaction allows: requests go on while an index is built. A build that was cut short leaves an
-- invalid index behind, so each begins by dropping it; and it may take longer than the statement time-out of the functions,
-- which an owner without a role beside it has too.
SET statement_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_oldest;
CREATE INDEX CONCURRENTLY idx_outbox_oldest ON outbox (created_at) WHERE num_nulls(delivered_at) = 1;
DROP INDEX CONCURRENTLY IF EXISTS idx_idempotency_oldest;
CREATE INDEX CONCURRENTLY idx_idempotency_oldest ON idempotency_keys (created_at) WHERE num_nulls(answer_status) = 1;
