-- JSON as compact writers spell it, and the totals of payments for each currency. The statements of the version before go on
-- working, while this is applied and afterwards: they sum over whatever rows they find.

SET LOCAL statement_timeout = 0;

-- What a client sees of a fare, a payment and a refund: fields in this order.
CREATE TYPE fare_shown AS (
    base_fare        numeric,
    distance_km      numeric,
    rate_per_km      numeric,
    surge_multiplier numeric,
    total            numeric
);
CREATE TYPE payment_shown AS (
    payment_id      bigint,
    trip_id         bigint,
    amount          numeric,
    currency        text,
    method          text,
    status          text,
    reference       text,
    refunded_amount numeric,
    failure_code    text,
    fare            fare_shown,
    metadata        json,
    created_at      text,
    updated_at      text
);
CREATE TYPE refund_shown AS (
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
    created_at       text
);

-- row_to_json puts no blanks, and keeps numbers and metadata as they are written. One expression each, so that PostgreSQL
-- inlines it.
CREATE OR REPLACE FUNCTION payment_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT row_to_json(ROW(
        p.payment_id,
        p.trip_id,
        p.amount,
        p.currency,
        p.method,
        p.status,
        p.reference,
        p.refunded_amount::numeric(12, 2),
        p.failure_code,
        CASE WHEN p.base_fare IS NOT NULL
             THEN ROW(p.base_fare, p.distance_km, p.rate_per_km, p.surge_multiplier, p.amount)::fare_shown END,
        p.metadata,
        to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(p.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::payment_shown)
$$;

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
        (p.amount - p.refunded_amount - p.reserved_amount)::numeric(12, 2),
        r.metadata,
        to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::refund_shown)
$$;

CREATE OR REPLACE FUNCTION with_refund(payment json, refund json) RETURNS json LANGUAGE sql IMMUTABLE AS $$
    SELECT (left(payment::text, -1) || ',"refund":' || refund::text || '}')::json
$$;

-- Nobody writes payments while they are counted anew, some seconds at ten million; reading goes on. Refunds have a migration of
-- their own: the functions lock the two tables in either order, so whoever held both locks here could deadlock with them.
LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM payment_totals;
ALTER TABLE payment_totals
    ADD COLUMN currency text NOT NULL,
    DROP CONSTRAINT payment_totals_pkey,
    ADD PRIMARY KEY (currency, status, method, shard);
INSERT INTO payment_totals (currency, status, method, shard, count, amount, refunded)
SELECT currency, status, method, 0, count(*), sum(amount), sum(refunded_amount) FROM payments GROUP BY currency, status, method;

CREATE OR REPLACE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t (currency, status, method, shard, count, amount, refunded)
    SELECT currency, status, method, totals_shard(), count(*), sum(amount), sum(refunded_amount)
      FROM inserted GROUP BY currency, status, method ORDER BY currency, status, method
        ON CONFLICT (currency, status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_updated_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t (currency, status, method, shard, count, amount, refunded)
    SELECT currency, status, method, totals_shard(), sum(n), sum(n * amount), sum(n * refunded_amount)
      FROM (SELECT currency, status, method, amount, refunded_amount, 1 AS n FROM after_update
            UNION ALL
            SELECT currency, status, method, amount, refunded_amount, -1 FROM before_update) AS change
     GROUP BY currency, status, method
    HAVING sum(n) <> 0 OR sum(n * amount) <> 0 OR sum(n * refunded_amount) <> 0
     ORDER BY currency, status, method
        ON CONFLICT (currency, status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_deleted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t (currency, status, method, shard, count, amount, refunded)
    SELECT currency, status, method, totals_shard(), -count(*), -sum(amount), -sum(refunded_amount)
      FROM deleted GROUP BY currency, status, method ORDER BY currency, status, method
        ON CONFLICT (currency, status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

-- Refunds are counted under the currency of their payment, so that never changes. Costs an update nothing unless it names it.
CREATE FUNCTION refuse_another_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE integrity_constraint_violation USING MESSAGE = 'the currency of a payment never changes';
END $$;

CREATE TRIGGER payments_currency_stays BEFORE UPDATE OF currency ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_currency();
