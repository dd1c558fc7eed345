-- transactional: false

-- Books that balance: each settled movement of money as a double entry, and what is owed to drivers.
--
-- Functions of the version before run meanwhile and name no driver; what they settle is booked all the same, by triggers. Each statement by
-- itself, and each may be repeated, as in 0009_moves; a lock is not waited for longer than this, as in 0021_callers.
SET statement_timeout = 0;
SET lock_timeout = '4s';

-- driver_id: who drove, as the request or the Trip Service says. commission: what of the amount is ours, the rest being the driver's; NULL
-- where no driver or no rule was known. tells_key: the gateway is told the key's hash, the trip and how the fare came about beside our
-- reference, so that a charge can be entered again that the books lost; a claim of before does not, and its repeat is the same request.
ALTER TABLE payments
    ADD COLUMN IF NOT EXISTS driver_id varchar(64),
    ADD COLUMN IF NOT EXISTS commission numeric(12, 2),
    ADD COLUMN IF NOT EXISTS tells_key boolean NOT NULL DEFAULT false;
ALTER TABLE payment_refunds
    ADD COLUMN IF NOT EXISTS tells_key boolean NOT NULL DEFAULT false;
CREATE OR REPLACE TRIGGER payments_request_stays
    BEFORE UPDATE OF trip_id, amount, method, reference, caller, correlation_id, customer_present, driver_id, commission ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('what was asked for in a row');

-- The journal, by columns: an entry is one row, and each account a column. A debit is above zero, a credit below, and what does not sum
-- to zero is refused (count_entry). Only written to. `movement` says what moved (charge, late charge 12, refund 12, reversal 12, dispute
-- dp_1 2, fee txn_1, payout txn_2, opening INR), once for a payment, or once for what is no payment's. No foreign key: whoever writes a
-- row has read the payment.
CREATE TABLE IF NOT EXISTS ledger_entries (
    entry_id           bigint GENERATED ALWAYS AS IDENTITY,
    at                 timestamptz NOT NULL DEFAULT now(),
    payment_id         bigint,
    movement           varchar(300) NOT NULL,
    currency           varchar(3) NOT NULL,
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
    CONSTRAINT ledger_entries_once UNIQUE NULLS NOT DISTINCT (payment_id, movement)
);
CREATE OR REPLACE TRIGGER ledger_entries_stay BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a row');
-- Only written to, as payment_receipts are (0017_vacuum).
ALTER TABLE ledger_entries SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000);

-- The balances are kept as the totals are (0011_totals_entries, 0020_fold_past_writers, 0023_quarters): each entry of the journal is an
-- entry of the totals too, whose accounts are not NULL, and whose count and amounts are 0, so that whoever adds up totals gets nothing of
-- it. What is folded stays there as one row for each currency and gateway, which is their balance, and is added to its quarter of an
-- hour, and to its driver. So the balance at the end of any day is what is there now, less what happened since, however many payments
-- there are.
ALTER TABLE totals_entries
    ADD COLUMN IF NOT EXISTS gateway text,
    ADD COLUMN IF NOT EXISTS driver_id text,
    ADD COLUMN IF NOT EXISTS gateway_receivable numeric,
    ADD COLUMN IF NOT EXISTS cash_with_drivers numeric,
    ADD COLUMN IF NOT EXISTS bank numeric,
    ADD COLUMN IF NOT EXISTS revenue numeric,
    ADD COLUMN IF NOT EXISTS refunds numeric,
    ADD COLUMN IF NOT EXISTS disputes numeric,
    ADD COLUMN IF NOT EXISTS fees numeric,
    ADD COLUMN IF NOT EXISTS drivers_payable numeric,
    ADD COLUMN IF NOT EXISTS late_payments numeric;

CREATE TABLE IF NOT EXISTS ledger_by_quarter (
    quarter            timestamptz NOT NULL,
    currency           text NOT NULL,
    gateway            text,
    gateway_receivable numeric NOT NULL,
    cash_with_drivers  numeric NOT NULL,
    bank               numeric NOT NULL,
    revenue            numeric NOT NULL,
    refunds            numeric NOT NULL,
    disputes           numeric NOT NULL,
    fees               numeric NOT NULL,
    drivers_payable    numeric NOT NULL,
    late_payments      numeric NOT NULL,
    CONSTRAINT ledger_by_quarter_key UNIQUE NULLS NOT DISTINCT (quarter, currency, gateway)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS ledger_by_driver (
    driver_id         text NOT NULL,
    currency          text NOT NULL,
    drivers_payable   numeric NOT NULL,
    cash_with_drivers numeric NOT NULL,
    PRIMARY KEY (driver_id, currency)
) WITH (fillfactor = 50);

-- The functions that run have what they need for this before `sql/rights.sql` says so.
DO $$
DECLARE
    writer regrole;
BEGIN
    FOR writer IN SELECT DISTINCT grantee
                    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
                   WHERE attrelid = 'totals_entries'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner LOOP
        EXECUTE format('GRANT INSERT (gateway, driver_id, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees,
                                      drivers_payable, late_payments) ON totals_entries TO %s', writer);
        EXECUTE format('GRANT SELECT, INSERT (payment_id, movement, currency, gateway, driver_id, gateway_receivable, cash_with_drivers,
                                              bank, revenue, refunds, disputes, fees, drivers_payable, late_payments)
                           ON ledger_entries TO %s', writer);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON ledger_by_quarter, ledger_by_driver TO %s', writer);
    END LOOP;
END $$;

-- As totals_with_disputes and figures_with_disputes (0025_late_truth).
CREATE OR REPLACE VIEW ledger_counted AS
    SELECT currency, gateway, driver_id, at, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees,
           drivers_payable, late_payments
      FROM totals_entries
     WHERE written >= coalesce((SELECT since FROM totals_folded WHERE noted_by::xid = xmin), '0')
       AND written <= '18446744073709551615'
       AND gateway_receivable IS NOT NULL
     UNION ALL
    SELECT currency, gateway, driver_id, at, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees,
           drivers_payable, late_payments
      FROM totals_entries
     WHERE written = ANY ((SELECT passed_over FROM totals_folded WHERE noted_by::xid = xmin)::xid8[])
       AND written < (SELECT since FROM totals_folded WHERE noted_by::xid = xmin)
       AND gateway_receivable IS NOT NULL;
CREATE OR REPLACE VIEW ledger_moves AS
    SELECT quarter AS at, currency, gateway, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees,
           drivers_payable, late_payments
      FROM ledger_by_quarter
     UNION ALL
    SELECT at, currency, gateway, gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees,
           drivers_payable, late_payments
      FROM ledger_counted
     WHERE at IS NOT NULL;

-- As in 0023_quarters, and the entries of the journal to their quarters and drivers.
CREATE OR REPLACE FUNCTION fold_totals() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    first  xid8;
    passed xid8[];
    moment pg_snapshot;
    last   xid8;
    number bigint := 0;
BEGIN
    SELECT CASE WHEN noted_by::xid = xmin THEN since ELSE '0' END, passed_over
      INTO first, passed FROM totals_folded FOR UPDATE SKIP LOCKED;
    moment := pg_current_snapshot();
    last := (SELECT written
               FROM (SELECT written FROM totals_entries
                      WHERE written >= first AND written < pg_snapshot_xmax(moment)
                      ORDER BY written LIMIT 10000) AS oldest
              ORDER BY written DESC LIMIT 1);
    IF last IS NOT NULL THEN
        UPDATE totals_folded
           SET since = last, noted_by = pg_current_xact_id(),
               passed_over = ARRAY(SELECT xid FROM pg_snapshot_xip(moment) AS xid WHERE xid < last) || pg_current_xact_id();
        WITH taken AS (
            DELETE FROM totals_entries WHERE (written >= first AND written <= last) OR written = ANY (passed) RETURNING *
        ), folded AS (
            INSERT INTO totals_entries (currency, status, method, count, amount, refunded, at)
            SELECT currency, status, method, sum(count), sum(amount), sum(refunded), NULL
              FROM taken GROUP BY currency, status, method
            HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0
        ), counted AS (
            INSERT INTO figures_by_quarter AS f (quarter, currency, status, count, amount, refunded)
            SELECT quarter_of(at), currency, status, sum(count), sum(amount), sum(refunded)
              FROM taken WHERE at IS NOT NULL GROUP BY 1, 2, 3
            HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0
                ON CONFLICT (quarter, currency, status) DO UPDATE
               SET count = f.count + excluded.count, amount = f.amount + excluded.amount, refunded = f.refunded + excluded.refunded
        ), balanced AS (
            INSERT INTO totals_entries (currency, count, amount, refunded, at, gateway, gateway_receivable, cash_with_drivers, bank,
                                        revenue, refunds, disputes, fees, drivers_payable, late_payments)
            SELECT currency, 0, 0, 0, NULL, gateway, sum(gateway_receivable), sum(cash_with_drivers), sum(bank), sum(revenue),
                   sum(refunds), sum(disputes), sum(fees), sum(drivers_payable), sum(late_payments)
              FROM taken WHERE gateway_receivable IS NOT NULL GROUP BY currency, gateway
        ), moved AS (
            INSERT INTO ledger_by_quarter AS l (quarter, currency, gateway, gateway_receivable, cash_with_drivers, bank, revenue,
                                                refunds, disputes, fees, drivers_payable, late_payments)
            SELECT quarter_of(at), currency, gateway, sum(gateway_receivable), sum(cash_with_drivers), sum(bank), sum(revenue),
                   sum(refunds), sum(disputes), sum(fees), sum(drivers_payable), sum(late_payments)
              FROM taken WHERE gateway_receivable IS NOT NULL AND at IS NOT NULL GROUP BY 1, 2, 3
                ON CONFLICT (quarter, currency, gateway) DO UPDATE
               SET gateway_receivable = l.gateway_receivable + excluded.gateway_receivable,
                   cash_with_drivers = l.cash_with_drivers + excluded.cash_with_drivers,
                   bank = l.bank + excluded.bank,
                   revenue = l.revenue + excluded.revenue,
                   refunds = l.refunds + excluded.refunds,
                   disputes = l.disputes + excluded.disputes,
                   fees = l.fees + excluded.fees,
                   drivers_payable = l.drivers_payable + excluded.drivers_payable,
                   late_payments = l.late_payments + excluded.late_payments
        ), owed AS (
            INSERT INTO ledger_by_driver AS l (driver_id, currency, drivers_payable, cash_with_drivers)
            SELECT driver_id, currency, sum(drivers_payable), sum(cash_with_drivers)
              FROM taken WHERE driver_id IS NOT NULL GROUP BY driver_id, currency
                ON CONFLICT (driver_id, currency) DO UPDATE
               SET drivers_payable = l.drivers_payable + excluded.drivers_payable,
                   cash_with_drivers = l.cash_with_drivers + excluded.cash_with_drivers
        )
        SELECT count(*) INTO number FROM taken;
    END IF;
    RETURN number;
END $$;

-- Whoever writes an entry of the journal has it in the balances: the triggers below, and what is booked of what a gateway says. None is
-- written that does not sum to zero. Checks and conditions of triggers are read anew by each statement, functions are planned once a
-- session: as a CHECK this would cost a charge 4 % of PostgreSQL's processor time.
CREATE OR REPLACE FUNCTION count_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.gateway_receivable + NEW.cash_with_drivers + NEW.bank + NEW.revenue + NEW.refunds + NEW.disputes + NEW.fees
       + NEW.drivers_payable + NEW.late_payments <> 0 THEN
        RAISE check_violation
        USING MESSAGE = 'an entry of ledger_entries sums to zero', TABLE = TG_TABLE_NAME, CONSTRAINT = 'ledger_entries_sum_to_zero';
    END IF;
    INSERT INTO totals_entries (currency, count, amount, refunded, at, gateway, driver_id, gateway_receivable, cash_with_drivers, bank,
                                revenue, refunds, disputes, fees, drivers_payable, late_payments)
    VALUES (NEW.currency, 0, 0, 0, NEW.at, NEW.gateway, NEW.driver_id, NEW.gateway_receivable, NEW.cash_with_drivers, NEW.bank,
            NEW.revenue, NEW.refunds, NEW.disputes, NEW.fees, NEW.drivers_payable, NEW.late_payments);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION count_entry();
-- Nobody writes entries meanwhile, and nobody folds.
CREATE OR REPLACE FUNCTION count_truncated_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM totals_folded FOR UPDATE;
    DELETE FROM totals_entries WHERE gateway_receivable IS NOT NULL;
    DELETE FROM ledger_by_quarter;
    DELETE FROM ledger_by_driver;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION count_truncated_entries();

-- Whoever empties payments has their ids given out anew, and no totals: nor is anything booked of those that were, which would stand in
-- the way of what is charged from then on.
CREATE OR REPLACE FUNCTION empty_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries) THEN
        TRUNCATE ledger_entries;
    END IF;
    RETURN NULL;
END $$;

-- Each move that a payment may make, as in 0009_moves and 0025_late_truth, and no other, in a function for the same reason; what is
-- charged by it is booked. It is with the gateway, or with the driver who was paid in cash; with a commission the rest of it is the
-- driver's. A row of the seed happened when it says, and what of it was refunded went out with it.
CREATE OR REPLACE FUNCTION move_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told    text := 'a row of payments never goes from %s to %s';
    allowed boolean;
    cash    numeric := 0;
    ours    numeric;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.status = OLD.status THEN
            RETURN NULL;
        END IF;
        allowed := OLD.gateway IS NOT NULL
                   AND (OLD.status = 'PENDING' AND NEW.status IN ('SUCCESS', 'FAILED')
                        OR OLD.status = 'SUCCESS' AND NEW.status = 'REFUNDED'
                        OR OLD.status = 'FAILED' AND NEW.status = 'SUCCESS' AND NEW.late_charge_id IS NOT NULL
                        OR OLD.status = 'REFUNDED' AND NEW.status = 'SUCCESS' AND NEW.reversed_amount > OLD.reversed_amount);
    ELSE
        IF NEW.commission NOT BETWEEN 0 AND NEW.amount THEN
            RAISE check_violation
            USING MESSAGE = 'the commission of a row of payments is 0 to its amount', TABLE = TG_TABLE_NAME,
                  CONSTRAINT = 'payments_commission_check';
        END IF;
        IF NEW.status = 'PENDING' THEN
            RETURN NULL;
        END IF;
        -- Whoever has no gateway is a row of the seed: written in any status, and never moved.
        allowed := NEW.gateway IS NULL OR (NEW.status = 'SUCCESS' AND NEW.method = 'CASH');
        told := 'a row of payments is never written as %2$s';
    END IF;
    IF NOT allowed THEN
        RAISE integrity_constraint_violation
        USING MESSAGE = format(told, OLD.status, NEW.status), TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    IF NEW.status NOT IN ('SUCCESS', 'REFUNDED') OR OLD.status IN ('SUCCESS', 'REFUNDED') THEN
        RETURN NULL;
    END IF;

    ours := coalesce(NEW.commission, NEW.amount);
    IF NEW.method = 'CASH' THEN
        cash := NEW.amount - NEW.refunded_amount;
    END IF;
    IF NEW.gateway IS NOT NULL THEN
        INSERT INTO ledger_entries (payment_id, movement, currency, driver_id, gateway, gateway_receivable, cash_with_drivers, revenue,
                                    refunds, drivers_payable)
        VALUES (NEW.payment_id, 'charge', NEW.currency, NEW.driver_id, NEW.gateway, NEW.amount - NEW.refunded_amount - cash, cash,
                -ours, NEW.refunded_amount, ours - NEW.amount);
    ELSE
        INSERT INTO ledger_entries (payment_id, movement, currency, driver_id, at, gateway_receivable, cash_with_drivers, revenue, refunds,
                                    drivers_payable)
        VALUES (NEW.payment_id, 'charge', NEW.currency, NEW.driver_id, NEW.created_at, NEW.amount - NEW.refunded_amount - cash, cash,
                -ours, NEW.refunded_amount, ours - NEW.amount);
    END IF;
    RETURN NULL;
END $$;

-- What a refund gives back goes from where its charge is, and comes back there when it is reversed; we bear it, whosever the driver is.
-- A charge that was paid late is with the gateway until it is given back.
CREATE OR REPLACE FUNCTION book_refund() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    back numeric := CASE NEW.status WHEN 'REFUNDED' THEN NEW.amount ELSE -NEW.amount END;
    of   text := CASE NEW.status WHEN 'REFUNDED' THEN 'refund ' WHEN 'REVERSED' THEN 'reversal ' ELSE 'late charge ' END;
BEGIN
    INSERT INTO ledger_entries (payment_id, movement, currency, driver_id, gateway, gateway_receivable, cash_with_drivers, refunds,
                                late_payments)
    SELECT payment_id, of || NEW.refund_id, currency, CASE method WHEN 'CASH' THEN driver_id END, gateway,
           CASE method WHEN 'CASH' THEN 0 ELSE -back END,
           CASE method WHEN 'CASH' THEN -back ELSE 0 END,
           CASE NEW.source WHEN 'late_payment' THEN 0 ELSE back END,
           CASE NEW.source WHEN 'late_payment' THEN back ELSE 0 END
      FROM payments WHERE payment_id = NEW.payment_id;
    RETURN NULL;
END $$;

-- What OPEN and LOST hold is with the gateway no more. The payment's row is locked, so that nobody else follows this dispute.
CREATE OR REPLACE FUNCTION book_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held numeric := CASE WHEN NEW.status IN ('OPEN', 'LOST') THEN NEW.amount ELSE 0 END;
    name text := 'dispute ' || NEW.gateway_id || ' ';
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status IN ('OPEN', 'LOST') THEN
        held := held - OLD.amount;
    END IF;
    IF held <> 0 THEN
        INSERT INTO ledger_entries (payment_id, movement, currency, gateway, gateway_receivable, disputes)
        SELECT NEW.payment_id, name || 1 + count(*), NEW.currency, NEW.gateway, -held, held
          FROM ledger_entries WHERE payment_id = NEW.payment_id AND starts_with(movement, name);
    END IF;
    RETURN NULL;
END $$;

-- What was settled before is one opening entry for each currency: of what was charged and refunded by payments, what disputes hold, and
-- what was paid late and is not given back. From this moment on the triggers book: nobody writes payments, refunds or disputes meanwhile,
-- which takes milliseconds, and nobody folds. Functions lock these tables in either order, so of the second none is waited for.
CREATE OR REPLACE PROCEDURE open_ledger() LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. 1000 LOOP
        BEGIN
            LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE;
            LOCK TABLE payment_refunds, payment_disputes IN SHARE ROW EXCLUSIVE MODE NOWAIT;
            PERFORM FROM totals_folded FOR UPDATE NOWAIT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF n = 1000 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgfoid = 'move_payment'::regproc) THEN
        RETURN;
    END IF;

    WITH held AS (
        SELECT currency, method = 'CASH' AS is_cash, sum(amount) AS amount, sum(refunded) AS refunded
          FROM totals_with_disputes WHERE status IN ('SUCCESS', 'REFUNDED') GROUP BY 1, 2
    ), booked AS (
        SELECT currency,
               coalesce(sum(amount - refunded) FILTER (WHERE NOT is_cash), 0) AS receivable,
               coalesce(sum(amount - refunded) FILTER (WHERE is_cash), 0) AS cash,
               sum(amount) AS charged, sum(refunded) AS refunded, 0 AS disputed, 0 AS late
          FROM held GROUP BY currency
         UNION ALL
        SELECT currency, -sum(amount), 0, 0, 0, sum(amount), 0
          FROM dispute_totals WHERE status IN ('OPEN', 'LOST') GROUP BY currency
         UNION ALL
        SELECT p.currency, sum(r.amount), 0, 0, 0, 0, sum(r.amount)
          FROM payment_refunds r JOIN payments p USING (payment_id)
         WHERE r.source = 'late_payment' AND r.status <> 'REFUNDED' GROUP BY p.currency
    )
    -- Not when this transaction began: what was paid while it waited for its locks is in it.
    INSERT INTO ledger_entries (at, movement, currency, gateway_receivable, cash_with_drivers, revenue, refunds, disputes, late_payments)
    SELECT clock_timestamp(), 'opening ' || currency, currency, sum(receivable), sum(cash), -sum(charged), sum(refunded), sum(disputed),
           -sum(late)
      FROM booked GROUP BY currency;

    CREATE OR REPLACE TRIGGER payments_moved AFTER UPDATE OF status ON payments FOR EACH ROW EXECUTE FUNCTION move_payment();
    CREATE OR REPLACE TRIGGER payments_written AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION move_payment();
    CREATE TRIGGER payments_emptied AFTER TRUNCATE ON payments FOR EACH STATEMENT EXECUTE FUNCTION empty_ledger();
    CREATE TRIGGER refunds_booked AFTER UPDATE OF status ON payment_refunds FOR EACH ROW
        WHEN (NEW.status = 'REFUNDED' AND OLD.status = 'PENDING' OR NEW.status = 'REVERSED' AND OLD.status = 'REFUNDED')
        EXECUTE FUNCTION book_refund();
    CREATE TRIGGER late_payments_booked AFTER INSERT ON payment_refunds FOR EACH ROW
        WHEN (NEW.source = 'late_payment')
        EXECUTE FUNCTION book_refund();
    CREATE TRIGGER disputes_booked AFTER INSERT OR UPDATE OF status, amount ON payment_disputes FOR EACH ROW
        EXECUTE FUNCTION book_dispute();
END $$;
CALL open_ledger();
DROP PROCEDURE open_ledger;

-- Drivers, and what the gateway is told.

-- What a client sees of a payment, with its driver where it has one. The part with a driver is not inlined (PL/pgSQL never is): every
-- statement would begin by setting up the long expression once more, also where there is no driver.
CREATE OR REPLACE FUNCTION payment_with_driver(p payments) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (left(row_to_json(payment_as_shown(p))::text, -1) || ',"driver_id":' || to_json(p.driver_id) || '}')::json;
END
$$;
CREATE OR REPLACE FUNCTION payment_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.driver_id IS NULL THEN row_to_json(payment_as_shown(p)) ELSE payment_with_driver(p) END
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
