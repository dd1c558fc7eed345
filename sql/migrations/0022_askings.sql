-- transactional: false

-- What the gateway said each time it was asked about a charge or refund. Functions of the version before run meanwhile and write none
-- of it.
--
-- Nearly every charge is asked for once, and the answer settles it: then its own row tells all of that but how long it took, which is
-- `asked_ms` of it. A row of `gateway_askings` for it would cost PostgreSQL 6 % of a charge's processor time, and this costs 0.5 %
-- (docs/choices.md). Each other asking has its row. The view `askings` shows both as one.
--
-- Each statement by itself, and each may be repeated, as in 0009_moves; a lock is not waited for longer than this, as in 0021_callers.
SET statement_timeout = 0;
SET lock_timeout = '4s';

-- No foreign key: whoever writes a row has read the payment. In `code`, `why` and `gateway_id` is never a key, a token or a card's
-- number; shared/charging/askings.py sees to that, and keeps to these lengths, so that nothing stays unsettled for them.
CREATE TABLE IF NOT EXISTS gateway_askings (
    payment_id  bigint NOT NULL,
    refund_id   bigint,
    -- When the answer was written down.
    at          timestamptz NOT NULL DEFAULT now(),
    -- Under which lease it was asked (idempotency_keys.asked), and which asking of that lease it was.
    asked       integer NOT NULL CHECK (asked >= 0),
    step        integer NOT NULL CHECK (step > 0),
    duration_ms integer NOT NULL CHECK (duration_ms >= 0),
    how         text NOT NULL CHECK (how IN ('charge', 'refund', 'find')),
    said        text NOT NULL CHECK (said IN ('succeeded', 'declined', 'unknown', 'never_heard')),
    code        text CHECK (length(code) <= 255),
    why         text CHECK (length(why) <= 500),
    gateway_id  text CHECK (length(gateway_id) <= 255),
    -- The person who had it asked.
    actor       text CHECK (length(actor) <= 513)
);
-- Each asking once, however often its statement is repeated; and those of a charge, or of a refund, in their order.
CREATE UNIQUE INDEX IF NOT EXISTS gateway_askings_once ON gateway_askings (payment_id, refund_id, asked, step) NULLS NOT DISTINCT;
CREATE OR REPLACE TRIGGER gateway_askings_stay BEFORE UPDATE OR DELETE ON gateway_askings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');
-- Only written to, as payment_receipts are (0017_vacuum).
ALTER TABLE gateway_askings SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000);

-- How long the gateway took to answer, in milliseconds, where it was asked once and that settled it. NOT VALID, as in 0021_callers.
ALTER TABLE payments
    ADD COLUMN IF NOT EXISTS asked_ms integer,
    DROP CONSTRAINT IF EXISTS payments_asked_ms_check,
    ADD CONSTRAINT payments_asked_ms_check CHECK (asked_ms >= 0) NOT VALID;
ALTER TABLE payment_refunds
    ADD COLUMN IF NOT EXISTS asked_ms integer,
    DROP CONSTRAINT IF EXISTS payment_refunds_asked_ms_check,
    ADD CONSTRAINT payment_refunds_asked_ms_check CHECK (asked_ms >= 0) NOT VALID;

CREATE OR REPLACE TRIGGER payments_settled_stays AFTER UPDATE OF refunded_amount, failure_code, gateway_id, asked_ms ON payments
    FOR EACH ROW
    WHEN (NEW.refunded_amount < OLD.refunded_amount
          OR (OLD.status <> 'PENDING'
              AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code OR NEW.gateway_id IS DISTINCT FROM OLD.gateway_id
                   OR NEW.asked_ms IS DISTINCT FROM OLD.asked_ms)))
    EXECUTE FUNCTION refuse_change('what was settled in a row');
CREATE OR REPLACE TRIGGER refunds_settled_stays AFTER UPDATE OF failure_code, gateway_id, asked_ms ON payment_refunds
    FOR EACH ROW
    WHEN (OLD.status <> 'PENDING'
          AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code OR NEW.gateway_id IS DISTINCT FROM OLD.gateway_id
               OR NEW.asked_ms IS DISTINCT FROM OLD.asked_ms))
    EXECUTE FUNCTION refuse_change('what was settled in a row');

-- Every asking whose answer is known; `alone` is one that the charge or refund itself tells. To be asked for by payment, and by refund
-- besides.
CREATE OR REPLACE VIEW askings AS
    SELECT payment_id, refund_id, at, asked, step, how, said, code, why, gateway_id, duration_ms, actor, false AS alone
      FROM gateway_askings
     UNION ALL
    SELECT p.payment_id, NULL, coalesce(receipt.issued_at, p.updated_at), 1, 1, 'charge',
           CASE p.status WHEN 'FAILED' THEN 'declined' ELSE 'succeeded' END, p.failure_code, NULL, p.gateway_id, p.asked_ms, NULL,
           true
      FROM payments p
      LEFT JOIN payment_receipts receipt ON receipt.payment_id = p.payment_id
     WHERE p.asked_ms IS NOT NULL
     UNION ALL
    SELECT payment_id, refund_id, updated_at, 1, 1, 'refund',
           CASE status WHEN 'FAILED' THEN 'declined' ELSE 'succeeded' END, failure_code, NULL, gateway_id, asked_ms, NULL, true
      FROM payment_refunds
     WHERE asked_ms IS NOT NULL;
