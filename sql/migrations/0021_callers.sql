-- transactional: false

-- Who asked for a payment or refund, and with which correlation id: kept as long as they are. Rows of before, and of functions of
-- the version before, which run meanwhile, have neither; while nobody has to show a token there is no caller.
--
-- Each statement by itself, and each may be repeated, as in 0009_moves. A backup may be reading these tables: a lock is not waited
-- for longer than this, lest payments wait behind it.
SET statement_timeout = 0;
SET lock_timeout = '4s';

-- A caller is its issuer and subject, of 512 characters together at most, with a blank in between. NOT VALID: the rows that are there
-- have none, so the tables need not be read under a lock.
ALTER TABLE payments
    ADD COLUMN IF NOT EXISTS caller text,
    ADD COLUMN IF NOT EXISTS correlation_id text,
    DROP CONSTRAINT IF EXISTS payments_caller_check,
    ADD CONSTRAINT payments_caller_check CHECK (length(caller) <= 513 AND caller !~ '[[:cntrl:]]') NOT VALID;
ALTER TABLE payment_refunds
    ADD COLUMN IF NOT EXISTS caller text,
    ADD COLUMN IF NOT EXISTS correlation_id text,
    DROP CONSTRAINT IF EXISTS payment_refunds_caller_check,
    ADD CONSTRAINT payment_refunds_caller_check CHECK (length(caller) <= 513 AND caller !~ '[[:cntrl:]]') NOT VALID;
-- Copied from there.
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS caller text;

-- What was told, and what was settled, is not told or settled otherwise afterwards, whoever asks for it. The functions' role lacks most
-- of these rights besides (sql/rights.sql); where the functions are the owner's, this is what holds. FOR EACH STATEMENT: costs an
-- update nothing unless it names such a column.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE integrity_constraint_violation
    USING MESSAGE = format('%s of %s never changes', TG_ARGV[0], TG_TABLE_NAME), TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END $$;

CREATE OR REPLACE TRIGGER payments_request_stays
    BEFORE UPDATE OF trip_id, amount, method, reference, caller, correlation_id ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was asked for in a row');
CREATE OR REPLACE TRIGGER payments_settled_stays AFTER UPDATE OF refunded_amount, failure_code, gateway_id ON payments FOR EACH ROW
    WHEN (NEW.refunded_amount < OLD.refunded_amount
          OR (OLD.status <> 'PENDING'
              AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code OR NEW.gateway_id IS DISTINCT FROM OLD.gateway_id)))
    EXECUTE FUNCTION refuse_change('what was settled in a row');
CREATE OR REPLACE TRIGGER refunds_request_stays
    BEFORE UPDATE OF payment_id, amount, reference, reason, caller, correlation_id ON payment_refunds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was asked for in a row');
CREATE OR REPLACE TRIGGER refunds_settled_stays AFTER UPDATE OF failure_code, gateway_id ON payment_refunds FOR EACH ROW
    WHEN (OLD.status <> 'PENDING'
          AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code OR NEW.gateway_id IS DISTINCT FROM OLD.gateway_id))
    EXECUTE FUNCTION refuse_change('what was settled in a row');
-- When a payment failed, and a refund ended, is the time of the row's last change, and told as such to whoever asks what happened to
-- a payment's money. (A payment that was charged has its receipt for that.)
CREATE OR REPLACE TRIGGER payments_failed_at_stays AFTER UPDATE OF updated_at ON payments FOR EACH ROW
    WHEN (OLD.status = 'FAILED' AND NEW.updated_at <> OLD.updated_at)
    EXECUTE FUNCTION refuse_change('when it failed, in a row');
CREATE OR REPLACE TRIGGER refunds_ended_at_stays AFTER UPDATE OF updated_at ON payment_refunds FOR EACH ROW
    WHEN (OLD.status <> 'PENDING' AND NEW.updated_at <> OLD.updated_at)
    EXECUTE FUNCTION refuse_change('when it ended, in a row');
CREATE OR REPLACE TRIGGER receipts_stay BEFORE UPDATE ON payment_receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');
CREATE OR REPLACE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');
CREATE OR REPLACE TRIGGER outbox_event_stays
    BEFORE UPDATE OF event_id, type, subject, correlation_id, traceparent, data, caller ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what an event says in a row');
CREATE OR REPLACE TRIGGER outbox_delivered_stays AFTER UPDATE ON outbox FOR EACH ROW
    WHEN (OLD.delivered_at IS NOT NULL)
    EXECUTE FUNCTION refuse_change('a delivered event in a row');
-- A key whose time is not over is not taken away, nor what it is answered with: the charge could be made once more.
CREATE OR REPLACE TRIGGER keys_answer_stays AFTER UPDATE OF answer_status, answer, expires_at ON idempotency_keys FOR EACH ROW
    WHEN (OLD.answer_status IS NOT NULL)
    EXECUTE FUNCTION refuse_change('the answer in a row');
CREATE OR REPLACE TRIGGER keys_stay AFTER DELETE ON idempotency_keys FOR EACH ROW
    WHEN (OLD.expires_at IS NULL OR OLD.expires_at > now())
    EXECUTE FUNCTION refuse_change('before its time a row');

-- What became of a payment's refunds, newest first, for its events. CONCURRENTLY, and dropped first, as in 0006_outbox_age.
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS idx_payment_refunds_settled;
CREATE INDEX CONCURRENTLY idx_payment_refunds_settled ON payment_refunds (payment_id, updated_at DESC, refund_id DESC)
    WHERE status <> 'PENDING';
