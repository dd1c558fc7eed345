-- transactional: false

-- What a gateway says after its first word: payments that wait for their customer, charges that were paid late, refunds that were
-- made at the gateway or came back, disputes; and the webhooks that ring for them.
--
-- Functions of the version before run meanwhile and write none of it. Each statement by itself, and each may be repeated, as in
-- 0009_moves; a lock is not waited for longer than this, and checks are NOT VALID, as in 0021_callers.
SET statement_timeout = 0;
SET lock_timeout = '4s';

-- customer_present: whether the customer could be asked. NULL: a claim of before, whose gateway was not told either way, so that a
-- repeat is the same request. next_action: what the customer is to do, as the client is told it, with secrets of the gateway's: kept
-- only while it is waited for. reversed_amount: what was refunded, and came back: refunded_amount falls by as much as this grows.
-- disputed_amount: what a bank holds back, or took: no refund may touch it. Apart from what was refunded, since a bank may dispute
-- more than is left. late_charge_id: the charge that turned out paid after the payment had FAILED, once it was given back or adopted;
-- failed_at: when one that was adopted had FAILED.
ALTER TABLE payments
    ADD COLUMN IF NOT EXISTS customer_present boolean,
    ADD COLUMN IF NOT EXISTS next_action json,
    ADD COLUMN IF NOT EXISTS reversed_amount numeric(12, 2) NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS disputed_amount numeric(12, 2) NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS late_charge_id text,
    ADD COLUMN IF NOT EXISTS failed_at timestamptz,
    DROP CONSTRAINT IF EXISTS payments_next_action_check,
    ADD CONSTRAINT payments_next_action_check CHECK (next_action IS NULL OR status = 'PENDING') NOT VALID,
    DROP CONSTRAINT IF EXISTS payments_reversed_amount_check,
    ADD CONSTRAINT payments_reversed_amount_check CHECK (reversed_amount >= 0) NOT VALID,
    DROP CONSTRAINT IF EXISTS payments_disputed_amount_check,
    ADD CONSTRAINT payments_disputed_amount_check CHECK (disputed_amount >= 0) NOT VALID,
    DROP CONSTRAINT IF EXISTS payments_late_charge_id_check,
    ADD CONSTRAINT payments_late_charge_id_check
        CHECK (late_charge_id IS NULL OR (status <> 'PENDING' AND length(late_charge_id) <= 255)) NOT VALID,
    DROP CONSTRAINT IF EXISTS payments_failed_at_check,
    ADD CONSTRAINT payments_failed_at_check
        CHECK ((failed_at IS NOT NULL) = (late_charge_id IS NOT NULL AND status <> 'FAILED')) NOT VALID;

-- source: who asked for it: a client; somebody in the gateway's own pages; or we, of a charge that was paid late. charge_id: the charge
-- that it gives back, where that is not the payment's. reversed_at: when the gateway said that it came back.
ALTER TABLE payment_refunds
    ADD COLUMN IF NOT EXISTS source text NOT NULL DEFAULT 'client',
    ADD COLUMN IF NOT EXISTS charge_id text,
    ADD COLUMN IF NOT EXISTS reversed_at timestamptz,
    DROP CONSTRAINT IF EXISTS payment_refunds_source_check,
    ADD CONSTRAINT payment_refunds_source_check CHECK (source IN ('client', 'gateway', 'late_payment')) NOT VALID,
    DROP CONSTRAINT IF EXISTS payment_refunds_charge_id_check,
    ADD CONSTRAINT payment_refunds_charge_id_check
        CHECK ((charge_id IS NOT NULL) = (source = 'late_payment') AND length(charge_id) <= 255) NOT VALID,
    DROP CONSTRAINT IF EXISTS payment_refunds_status_check,
    ADD CONSTRAINT payment_refunds_status_check CHECK (status IN ('PENDING', 'REFUNDED', 'FAILED', 'REVERSED')) NOT VALID,
    DROP CONSTRAINT IF EXISTS payment_refunds_failure_code_check,
    ADD CONSTRAINT payment_refunds_failure_code_check CHECK (failure_code IS NULL OR status IN ('FAILED', 'REVERSED')) NOT VALID,
    DROP CONSTRAINT IF EXISTS payment_refunds_reversed_at_check,
    ADD CONSTRAINT payment_refunds_reversed_at_check CHECK ((reversed_at IS NOT NULL) = (status = 'REVERSED')) NOT VALID;

-- Until when the customer is waited for; nobody need look at a request that is not settled before that.
ALTER TABLE idempotency_keys ADD COLUMN IF NOT EXISTS act_by timestamptz;

ALTER TABLE gateway_askings
    DROP CONSTRAINT IF EXISTS gateway_askings_said_check,
    ADD CONSTRAINT gateway_askings_said_check
        CHECK (said IN ('succeeded', 'declined', 'unknown', 'never_heard', 'waiting')) NOT VALID;
ALTER TABLE audit_log
    DROP CONSTRAINT IF EXISTS audit_log_action_check,
    ADD CONSTRAINT audit_log_action_check
        CHECK (action IN ('settle_payment', 'settle_refund', 'contradiction', 'adopt_payment', 'give_back_payment', 'reverse_refund',
                          'enter_refund')) NOT VALID;

-- Whether a contradiction needs nobody any more: of a charge that was paid late, and is given back or adopted since (payments_pkey).
CREATE OR REPLACE FUNCTION is_put_right(entry audit_log) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT entry.refund_id IS NULL
           AND EXISTS (SELECT FROM payments WHERE payment_id = entry.payment_id AND late_charge_id = entry.gateway_id)
$$;

-- What banks took back, or want to. Times and amounts are the gateway's.
CREATE TABLE IF NOT EXISTS payment_disputes (
    dispute_id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    payment_id      bigint NOT NULL REFERENCES payments,
    gateway         text NOT NULL,
    gateway_id      text NOT NULL CHECK (length(gateway_id) <= 255),
    amount          numeric(12, 2) NOT NULL CHECK (amount > 0),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- INQUIRY: the bank asks, and nothing is held back. OPEN and LOST hold the amount, WON and WITHDRAWN do not.
    status          text NOT NULL CHECK (status IN ('INQUIRY', 'OPEN', 'WON', 'LOST', 'WITHDRAWN')),
    reason          text CHECK (length(reason) <= 255),
    evidence_due_by timestamptz,
    -- How many moves it has made, the first included: what its events are told apart by.
    moves           integer NOT NULL DEFAULT 1 CHECK (moves > 0),
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (gateway, gateway_id),
    CHECK ((closed_at IS NOT NULL) = (status IN ('WON', 'LOST', 'WITHDRAWN')))
);
CREATE INDEX IF NOT EXISTS idx_payment_disputes_payment_id ON payment_disputes (payment_id, dispute_id);
CREATE INDEX IF NOT EXISTS idx_payment_disputes_open ON payment_disputes (evidence_due_by) WHERE status IN ('INQUIRY', 'OPEN');

-- What a gateway said by itself, and what was read because of it, word for word but for secrets and card data
-- (shared/gateways/redaction.py). Only written to: whoever argues with a bank has it. An event is kept once, by whichever way it came.
CREATE TABLE IF NOT EXISTS gateway_said (
    said_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    gateway   text NOT NULL,
    source    text NOT NULL CHECK (source IN ('webhook', 'list', 'read')),
    event_id  text CHECK (length(event_id) <= 255),
    type      text NOT NULL CHECK (length(type) <= 255),
    object_id text NOT NULL CHECK (length(object_id) <= 255),
    -- The charge that it is about, where it names one.
    charge_id text CHECK (length(charge_id) <= 255),
    said      json NOT NULL,
    CHECK ((event_id IS NULL) = (source = 'read'))
);
CREATE UNIQUE INDEX IF NOT EXISTS gateway_said_once ON gateway_said (gateway, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_gateway_said_charge_id ON gateway_said (charge_id, said_id) WHERE charge_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_gateway_said_object_id ON gateway_said (object_id, said_id);
CREATE OR REPLACE TRIGGER gateway_said_stays BEFORE UPDATE OR DELETE ON gateway_said
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');
ALTER TABLE gateway_said SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000);

-- Objects of a gateway that were rung for, and are still to be read: one row each, however often it rings. `rings` counts them, so
-- that a ring that comes while the object is being read is not taken for answered.
CREATE TABLE IF NOT EXISTS gateway_rings (
    gateway   text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('charge', 'refund', 'dispute')),
    object_id text NOT NULL CHECK (length(object_id) <= 255),
    rung_at   timestamptz NOT NULL DEFAULT now(),
    rings     bigint NOT NULL DEFAULT 1,
    tries     integer NOT NULL DEFAULT 0,
    ask_after timestamptz NOT NULL DEFAULT now(),
    why       text CHECK (length(why) <= 500),
    PRIMARY KEY (gateway, kind, object_id)
);
CREATE INDEX IF NOT EXISTS idx_gateway_rings_ask_after ON gateway_rings (ask_after);
CREATE INDEX IF NOT EXISTS idx_gateway_rings_rung_at ON gateway_rings (rung_at);
-- Few rows that come and go.
ALTER TABLE gateway_rings SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Up to when each gateway's own list of events was read, and when it is read next: a lease, by the database's clock.
CREATE TABLE IF NOT EXISTS gateway_cursors (
    gateway    text PRIMARY KEY,
    read_until timestamptz NOT NULL,
    place      text CHECK (length(place) <= 500),
    read_after timestamptz NOT NULL DEFAULT now()
);

-- The moves of shared/rules/states.py that are new: a payment that FAILED was paid after all, and is adopted; one that was wholly refunded
-- gets some of it back; a refund comes back.
CREATE OR REPLACE TRIGGER payments_moved AFTER UPDATE OF status ON payments FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND (OLD.gateway IS NULL
               OR OLD.status || ' to ' || NEW.status
                  <> ALL ('{PENDING to SUCCESS, PENDING to FAILED, SUCCESS to REFUNDED}'::text[])
                 AND NOT (OLD.status = 'FAILED' AND NEW.status = 'SUCCESS' AND NEW.late_charge_id IS NOT NULL)
                 AND NOT (OLD.status = 'REFUNDED' AND NEW.status = 'SUCCESS' AND NEW.reversed_amount > OLD.reversed_amount)))
    EXECUTE FUNCTION refuse_move();
CREATE OR REPLACE TRIGGER refunds_moved AFTER UPDATE OF status ON payment_refunds FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND OLD.status || ' to ' || NEW.status
              <> ALL ('{PENDING to REFUNDED, PENDING to FAILED, REFUNDED to REVERSED}'::text[]))
    EXECUTE FUNCTION refuse_move();
-- Functions of the version before settle a payment without erasing what its customer was to do.
CREATE OR REPLACE FUNCTION erase_next_action() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.next_action := NULL;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER payments_acted_on BEFORE UPDATE OF status ON payments FOR EACH ROW
    WHEN (NEW.next_action IS NOT NULL AND NEW.status <> 'PENDING')
    EXECUTE FUNCTION erase_next_action();
-- What is over is over, but banks win what they lost, and lose what they won.
CREATE OR REPLACE TRIGGER disputes_moved AFTER UPDATE OF status ON payment_disputes FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND OLD.status || ' to ' || NEW.status
              <> ALL ('{INQUIRY to OPEN, INQUIRY to WON, INQUIRY to LOST, INQUIRY to WITHDRAWN, OPEN to WON, OPEN to LOST,
                        OPEN to WITHDRAWN, WON to LOST, LOST to WON, WITHDRAWN to OPEN, WITHDRAWN to WON, WITHDRAWN to LOST}'::text[]))
    EXECUTE FUNCTION refuse_move();

CREATE OR REPLACE TRIGGER payments_request_stays
    BEFORE UPDATE OF trip_id, amount, method, reference, caller, correlation_id, customer_present ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was asked for in a row');
CREATE OR REPLACE TRIGGER payments_settled_stays
    AFTER UPDATE OF refunded_amount, reversed_amount, failure_code, gateway_id, asked_ms, late_charge_id, failed_at ON payments
    FOR EACH ROW
    WHEN (NEW.refunded_amount + NEW.reversed_amount < OLD.refunded_amount + OLD.reversed_amount
          OR NEW.reversed_amount < OLD.reversed_amount
          OR (OLD.late_charge_id IS NOT NULL AND NEW.late_charge_id IS DISTINCT FROM OLD.late_charge_id)
          OR (OLD.status <> 'PENDING'
              AND (NEW.asked_ms IS DISTINCT FROM OLD.asked_ms
                   OR (NOT (OLD.status = 'FAILED' AND NEW.status = 'SUCCESS')
                       AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code
                            OR NEW.gateway_id IS DISTINCT FROM OLD.gateway_id
                            OR NEW.failed_at IS DISTINCT FROM OLD.failed_at)))))
    EXECUTE FUNCTION refuse_change('what was settled in a row');
CREATE OR REPLACE TRIGGER payments_failed_at_stays AFTER UPDATE OF updated_at ON payments FOR EACH ROW
    WHEN (OLD.status = 'FAILED' AND NEW.status = 'FAILED' AND NEW.updated_at <> OLD.updated_at)
    EXECUTE FUNCTION refuse_change('when it failed, in a row');
CREATE OR REPLACE TRIGGER refunds_request_stays
    BEFORE UPDATE OF payment_id, amount, reference, reason, caller, correlation_id, source, charge_id ON payment_refunds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was asked for in a row');
CREATE OR REPLACE TRIGGER refunds_settled_stays AFTER UPDATE OF failure_code, gateway_id, asked_ms, reversed_at ON payment_refunds
    FOR EACH ROW
    WHEN (OLD.status <> 'PENDING'
          AND (NEW.gateway_id IS DISTINCT FROM OLD.gateway_id OR NEW.asked_ms IS DISTINCT FROM OLD.asked_ms
               OR (NEW.status = OLD.status
                   AND (NEW.failure_code IS DISTINCT FROM OLD.failure_code OR NEW.reversed_at IS DISTINCT FROM OLD.reversed_at))))
    EXECUTE FUNCTION refuse_change('what was settled in a row');
CREATE OR REPLACE TRIGGER disputes_stay BEFORE UPDATE OF payment_id, gateway, gateway_id, currency, opened_at ON payment_disputes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what a dispute is about in a row');

-- Totals. A charge that was paid late and given back is in none: it was never ours. A dispute is an entry of its own by its status,
-- without a method.
CREATE OR REPLACE FUNCTION count_inserted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT p.currency, count(*), sum(r.amount), 0
      FROM inserted r LEFT JOIN payments p USING (payment_id)
     WHERE r.status = 'REFUNDED' AND r.source <> 'late_payment' GROUP BY p.currency;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_updated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT p.currency, sum(n), sum(n * change.amount), 0
      FROM (SELECT payment_id, amount, 1 AS n FROM after_update WHERE status = 'REFUNDED' AND source <> 'late_payment'
            UNION ALL
            SELECT payment_id, amount, -1 FROM before_update WHERE status = 'REFUNDED' AND source <> 'late_payment') AS change
      LEFT JOIN payments p USING (payment_id)
     GROUP BY p.currency
    HAVING sum(n) <> 0 OR sum(n * change.amount) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_deleted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT p.currency, -count(*), -sum(r.amount), 0
      FROM deleted r LEFT JOIN payments p USING (payment_id)
     WHERE r.status = 'REFUNDED' AND r.source <> 'late_payment' GROUP BY p.currency;
    RETURN NULL;
END $$;

-- As totals_counted (0020_fold_past_writers) and figures_counted (0023_quarters) were. Those leave disputes out from here on: functions of
-- the version before read them, and would take a dispute for a payment.
CREATE OR REPLACE VIEW totals_with_disputes AS
    SELECT currency, status, method, count, amount, refunded
      FROM totals_entries
     WHERE written >= coalesce((SELECT since FROM totals_folded WHERE noted_by::xid = xmin), '0')
       AND written <= '18446744073709551615'
     UNION ALL
    SELECT currency, status, method, count, amount, refunded
      FROM totals_entries
     WHERE written = ANY ((SELECT passed_over FROM totals_folded WHERE noted_by::xid = xmin)::xid8[])
       AND written < (SELECT since FROM totals_folded WHERE noted_by::xid = xmin);
CREATE OR REPLACE VIEW figures_with_disputes AS
    SELECT quarter AS at, currency, status, count, amount, refunded
      FROM figures_by_quarter
     UNION ALL
    SELECT at, currency, status, count, amount, refunded
      FROM totals_entries
     WHERE written >= coalesce((SELECT since FROM totals_folded WHERE noted_by::xid = xmin), '0')
       AND written <= '18446744073709551615'
       AND at IS NOT NULL
     UNION ALL
    SELECT at, currency, status, count, amount, refunded
      FROM totals_entries
     WHERE written = ANY ((SELECT passed_over FROM totals_folded WHERE noted_by::xid = xmin)::xid8[])
       AND written < (SELECT since FROM totals_folded WHERE noted_by::xid = xmin)
       AND at IS NOT NULL;
CREATE OR REPLACE VIEW totals_counted AS
    SELECT * FROM totals_with_disputes WHERE status IS NULL OR status NOT LIKE 'DISPUTE %';
CREATE OR REPLACE VIEW figures_counted AS
    SELECT * FROM figures_with_disputes WHERE status IS NULL OR status NOT LIKE 'DISPUTE %';
CREATE OR REPLACE VIEW dispute_totals AS
    SELECT currency, substr(status, 9) AS status, count, amount FROM totals_with_disputes WHERE status LIKE 'DISPUTE %';

CREATE OR REPLACE FUNCTION count_inserted_disputes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, count, amount, refunded)
    SELECT currency, 'DISPUTE ' || status, count(*), sum(amount), 0 FROM inserted GROUP BY currency, status;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_updated_disputes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, count, amount, refunded)
    SELECT currency, 'DISPUTE ' || status, sum(n), sum(n * amount), 0
      FROM (SELECT currency, status, amount, 1 AS n FROM after_update
            UNION ALL
            SELECT currency, status, amount, -1 FROM before_update) AS change
     GROUP BY currency, status
    HAVING sum(n) <> 0 OR sum(n * amount) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_truncated_disputes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, count, amount, refunded)
    SELECT currency, 'DISPUTE ' || status, -sum(count), -sum(amount), 0
      FROM dispute_totals GROUP BY currency, status HAVING sum(count) <> 0 OR sum(amount) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON payment_disputes REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_disputes();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON payment_disputes
    REFERENCING OLD TABLE AS before_update NEW TABLE AS after_update
    FOR EACH STATEMENT EXECUTE FUNCTION count_updated_disputes();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON payment_disputes
    FOR EACH STATEMENT EXECUTE FUNCTION count_truncated_disputes();
-- A row of a dispute is never deleted.
CREATE OR REPLACE TRIGGER disputes_kept BEFORE DELETE ON payment_disputes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');

-- What a client is shown while the customer is waited for: the payment with what the customer is to do. In no event and no stored
-- answer.
CREATE OR REPLACE FUNCTION payment_to_act_on_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.next_action IS NULL THEN row_to_json(payment_as_shown(p))
                ELSE (left(row_to_json(payment_as_shown(p))::text, -1) || ',"next_action":' || p.next_action || '}')::json END
$$;

-- What an event says of a dispute.
DO $$ BEGIN
    CREATE TYPE dispute_told AS (
        dispute_id      text,
        status          text,
        amount          numeric,
        currency        text,
        reason          text,
        evidence_due_by text,
        opened_at       text,
        closed_at       text
    );
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- What a client sees of a refund, with who asked for it. What is disputed cannot be given back, nor is anything left of a payment whose
-- late charge was given back.
DO $$ BEGIN
    CREATE TYPE refund_told AS (
        refund_id        bigint,
        payment_id       bigint,
        refund_amount    numeric,
        currency         text,
        status           text,
        reason           text,
        reference        text,
        failure_code     text,
        payment_status   text,
        remaining_amount numeric,
        metadata         json,
        created_at       text,
        source           text
    );
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE OR REPLACE FUNCTION refund_json(r payment_refunds, p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT row_to_json(ROW(
        r.refund_id,
        r.payment_id,
        r.amount,
        p.currency,
        r.status,
        r.reason,
        r.reference,
        r.failure_code,
        p.status,
        CASE WHEN r.source = 'late_payment' THEN 0
             ELSE greatest(p.amount - p.refunded_amount - p.reserved_amount - p.disputed_amount, 0) END::numeric(12, 2),
        r.metadata,
        to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        r.source
    )::refund_told)
$$;

-- As in 0014_found_by_key, and: the method, whether the customer is there and until when it is waited for, in seconds after the claim;
-- who asked for a refund, and of which charge.
CREATE OR REPLACE VIEW open_requests AS
    SELECT k.key_hash, k.payment_id, k.refund_id, k.correlation_id, k.search_place AS search_cursor,
           p.gateway, p.gateway_account, p.currency, p.trip_id, p.payment_token, p.payment_customer,
           coalesce(r.charge_id, p.gateway_id) AS payment_gateway_id,
           coalesce(r.reference, p.reference) AS reference,
           coalesce(r.amount, p.amount) AS amount,
           CASE WHEN r.refund_id IS NULL THEN p.gateway_id ELSE r.gateway_id END AS gateway_id,
           coalesce(r.created_at, p.created_at) AS created_at,
           extract(epoch FROM now() - coalesce(r.created_at, p.created_at))::float8 AS age,
           coalesce(r.metadata, p.metadata) ->> 'simulate' AS simulate,
           CASE WHEN r.refund_id IS NULL THEN payment_to_act_on_json(p) ELSE refund_json(r, p) END::text AS shown,
           p.method, p.customer_present,
           extract(epoch FROM k.act_by - p.created_at)::float8 AS waits,
           r.source
      FROM idempotency_keys k
      JOIN payments p ON p.payment_id = k.payment_id
      LEFT JOIN payment_refunds r ON r.refund_id = k.refund_id
     WHERE num_nonnulls(k.answer_status) = 0;

-- As in 0022_askings: the answer that settled a charge or refund is what it was, whatever became of it afterwards.
CREATE OR REPLACE VIEW askings AS
    SELECT payment_id, refund_id, at, asked, step, how, said, code, why, gateway_id, duration_ms, actor, false AS alone
      FROM gateway_askings
     UNION ALL
    SELECT p.payment_id, NULL, coalesce(p.failed_at, receipt.issued_at, p.updated_at), 1, 1, 'charge',
           CASE WHEN p.status = 'FAILED' OR p.failed_at IS NOT NULL THEN 'declined' ELSE 'succeeded' END,
           p.failure_code, NULL, CASE WHEN p.failed_at IS NULL THEN p.gateway_id END, p.asked_ms, NULL, true
      FROM payments p
      LEFT JOIN payment_receipts receipt ON receipt.payment_id = p.payment_id
     WHERE p.asked_ms IS NOT NULL
     UNION ALL
    SELECT payment_id, refund_id, updated_at, 1, 1, 'refund',
           CASE status WHEN 'FAILED' THEN 'declined' ELSE 'succeeded' END, CASE status WHEN 'FAILED' THEN failure_code END,
           NULL, gateway_id, asked_ms, NULL, true
      FROM payment_refunds
     WHERE asked_ms IS NOT NULL;

-- A charge that was paid late is given back once, and a refund that was made at the gateway is entered once. No row is in either yet.
-- CONCURRENTLY, and dropped first, as in 0006_outbox_age.
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS payment_refunds_one_of_late_charge;
CREATE UNIQUE INDEX CONCURRENTLY payment_refunds_one_of_late_charge ON payment_refunds (payment_id) WHERE source = 'late_payment';
DROP INDEX CONCURRENTLY IF EXISTS payment_refunds_entered_once;
CREATE UNIQUE INDEX CONCURRENTLY payment_refunds_entered_once ON payment_refunds (gateway_id) WHERE source = 'gateway';
-- A refund is found by what its gateway calls it, as payments are.
DROP INDEX CONCURRENTLY IF EXISTS idx_payment_refunds_gateway_id;
CREATE INDEX CONCURRENTLY idx_payment_refunds_gateway_id ON payment_refunds (gateway_id) WHERE gateway_id IS NOT NULL;
-- Those of a payment that came back, newest first, for its events.
DROP INDEX CONCURRENTLY IF EXISTS idx_payment_refunds_reversed;
CREATE INDEX CONCURRENTLY idx_payment_refunds_reversed ON payment_refunds (payment_id, reversed_at DESC, refund_id DESC)
    WHERE status = 'REVERSED';
