-- transactional: false

-- When a payment failed, and a refund ended, is the time of the row's last change, and told as such to whoever asks what happened to
-- a payment's money: it stays with the rest of what was settled. (A payment that was charged has its receipt for that.)
--
-- Each statement by itself, and each may be repeated; a lock is not waited for longer than this (0021_callers).
SET statement_timeout = 0;
SET lock_timeout = '4s';

CREATE OR REPLACE TRIGGER payments_failed_at_stays AFTER UPDATE OF updated_at ON payments FOR EACH ROW
    WHEN (OLD.status = 'FAILED' AND NEW.updated_at <> OLD.updated_at)
    EXECUTE FUNCTION refuse_change('when it failed, in a row');
CREATE OR REPLACE TRIGGER refunds_ended_at_stays AFTER UPDATE OF updated_at ON payment_refunds FOR EACH ROW
    WHEN (OLD.status <> 'PENDING' AND NEW.updated_at <> OLD.updated_at)
    EXECUTE FUNCTION refuse_change('when it ended, in a row');
