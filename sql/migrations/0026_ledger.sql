-- Books that balance: each settled movement of money as a double entry, and what is owed to drivers.
--
-- Functions of the version before run meanwhile and name no driver. A lock is not waited for longer than this, and checks are NOT VALID,
-- as in 0021_callers.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '4s';

-- driver_id: who drove, as the request or the Trip Service says. commission: what of the amount is ours, the rest being the driver's; NULL
-- where no driver or no rule was known. tells_key: the gateway is told the key's hash, the trip and how the fare came about beside our
-- reference, so that a charge can be entered again that the books lost; a claim of before does not, and its repeat is the same request.
ALTER TABLE payments
    ADD COLUMN driver_id text,
    ADD COLUMN commission numeric(12, 2),
    ADD COLUMN tells_key boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT payments_driver_id_check CHECK (length(driver_id) BETWEEN 1 AND 64) NOT VALID,
    ADD CONSTRAINT payments_commission_check
        CHECK (commission IS NULL OR (commission BETWEEN 0 AND amount AND driver_id IS NOT NULL)) NOT VALID;
ALTER TABLE payment_refunds
    ADD COLUMN tells_key boolean NOT NULL DEFAULT false;

-- The journal, by columns: an entry is one row, and each account a column. A debit is above zero, a credit below, and what does not sum to
-- zero is refused. Only written to. `movement` says what moved (charge, refund 12, reversal 12, dispute dp_1 2, fee txn_1, payout txn_2,
-- opening), once for a payment, or once for what is no payment's.
CREATE TABLE ledger_entries (
    entry_id           bigint GENERATED ALWAYS AS IDENTITY,
    at                 timestamptz NOT NULL DEFAULT now(),
    payment_id         bigint REFERENCES payments,
    movement           text NOT NULL CHECK (length(movement) <= 300),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    gateway            text,
    driver_id          text,
    -- What is ours: with the gateway, with drivers who were paid in cash, in the bank.
    gateway_receivable numeric(16, 2) NOT NULL DEFAULT 0,
    cash_with_drivers  numeric(16, 2) NOT NULL DEFAULT 0,
    bank               numeric(16, 2) NOT NULL DEFAULT 0,
    -- What came in, and what of it went out again.
    revenue            numeric(16, 2) NOT NULL DEFAULT 0,
    refunds            numeric(16, 2) NOT NULL DEFAULT 0,
    disputes           numeric(16, 2) NOT NULL DEFAULT 0,
    fees               numeric(16, 2) NOT NULL DEFAULT 0,
    -- What is others': the drivers' share, and what was paid late and goes back.
    drivers_payable    numeric(16, 2) NOT NULL DEFAULT 0,
    late_payments      numeric(16, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (at, entry_id),
    CONSTRAINT ledger_entries_once UNIQUE NULLS NOT DISTINCT (payment_id, movement),
    CONSTRAINT ledger_entries_sum_to_zero
        CHECK (gateway_receivable + cash_with_drivers + bank + revenue + refunds + disputes + fees + drivers_payable + late_payments = 0)
);
CREATE TRIGGER ledger_entries_stay BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');

-- Drivers, and what the gateway is told.

-- What a client sees of a payment, with its driver where it has one. One expression, as in 0009_moves.
CREATE OR REPLACE FUNCTION payment_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.driver_id IS NULL THEN row_to_json(payment_as_shown(p))
                ELSE (left(row_to_json(payment_as_shown(p))::text, -1) || ',"driver_id":' || to_json(p.driver_id) || '}')::json END
$$;
-- As in 0025_late_truth, with the driver.
CREATE OR REPLACE FUNCTION payment_to_act_on_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.next_action IS NULL THEN payment_json(p)
                ELSE (left(payment_json(p)::text, -1) || ',"next_action":' || p.next_action || '}')::json END
$$;
-- What an event says of a refund: the payment, and the refund in it.
CREATE OR REPLACE FUNCTION refund_event_json(r payment_refunds, p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT (left(payment_json(p)::text, -1) || ',"refund":' || refund_json(r, p) || '}')::json
$$;

-- As in 0025_late_truth, and: what the gateway is told of the claim, where it is (`tells_key`).
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
           r.source,
           coalesce(r.tells_key, p.tells_key) AS tells_key, k.fingerprint,
           p.base_fare, p.distance_km, p.rate_per_km, p.surge_multiplier, p.driver_id, p.commission
      FROM idempotency_keys k
      JOIN payments p ON p.payment_id = k.payment_id
      LEFT JOIN payment_refunds r ON r.refund_id = k.refund_id
     WHERE num_nonnulls(k.answer_status) = 0;
