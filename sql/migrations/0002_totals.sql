-- Totals for the metrics, kept in the transaction that changes the rows, so that they always equal the tables.
-- One statement-level trigger a table and event, each with one upsert in key order: two transactions that touch the same
-- totals take them in the same order and cannot deadlock. Each backend has its own shard, so there is no one hot row.

CREATE TABLE payment_totals (
    status   text NOT NULL,
    method   text NOT NULL,
    shard    smallint NOT NULL,
    count    bigint NOT NULL,
    amount   numeric NOT NULL,
    refunded numeric NOT NULL,
    PRIMARY KEY (status, method, shard)
) WITH (fillfactor = 50);

CREATE TABLE refund_totals (
    shard  smallint PRIMARY KEY,
    count  bigint NOT NULL,
    amount numeric NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION totals_shard() RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT (pg_backend_pid() % 16)::smallint
$$;

CREATE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t
    SELECT status, method, totals_shard(), count(*), sum(amount), sum(refunded_amount)
      FROM inserted GROUP BY status, method ORDER BY status, method
        ON CONFLICT (status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

CREATE FUNCTION count_updated_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t
    SELECT status, method, totals_shard(), sum(n), sum(n * amount), sum(n * refunded_amount)
      FROM (SELECT status, method, amount, refunded_amount, 1 AS n FROM after_update
            UNION ALL
            SELECT status, method, amount, refunded_amount, -1 FROM before_update) AS change
     GROUP BY status, method
    HAVING sum(n) <> 0 OR sum(n * amount) <> 0 OR sum(n * refunded_amount) <> 0
     ORDER BY status, method
        ON CONFLICT (status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

CREATE FUNCTION count_deleted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_totals AS t
    SELECT status, method, totals_shard(), -count(*), -sum(amount), -sum(refunded_amount)
      FROM deleted GROUP BY status, method ORDER BY status, method
        ON CONFLICT (status, method, shard) DO UPDATE
       SET count = t.count + excluded.count, amount = t.amount + excluded.amount, refunded = t.refunded + excluded.refunded;
    RETURN NULL;
END $$;

CREATE FUNCTION count_truncated_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM payment_totals;
    RETURN NULL;
END $$;

CREATE TRIGGER payments_inserted AFTER INSERT ON payments REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_payments();
CREATE TRIGGER payments_updated AFTER UPDATE ON payments REFERENCING OLD TABLE AS before_update NEW TABLE AS after_update
    FOR EACH STATEMENT EXECUTE FUNCTION count_updated_payments();
CREATE TRIGGER payments_deleted AFTER DELETE ON payments REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_payments();
CREATE TRIGGER payments_truncated AFTER TRUNCATE ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION count_truncated_payments();

CREATE FUNCTION count_inserted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t
    SELECT totals_shard(), count(*), sum(amount) FROM inserted WHERE status = 'REFUNDED' HAVING count(*) > 0
        ON CONFLICT (shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;

CREATE FUNCTION count_updated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t
    SELECT totals_shard(), sum(n), sum(n * amount)
      FROM (SELECT amount, 1 AS n FROM after_update WHERE status = 'REFUNDED'
            UNION ALL
            SELECT amount, -1 FROM before_update WHERE status = 'REFUNDED') AS change
    HAVING sum(n) <> 0 OR sum(n * amount) <> 0
        ON CONFLICT (shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;

CREATE FUNCTION count_deleted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t
    SELECT totals_shard(), -count(*), -sum(amount) FROM deleted WHERE status = 'REFUNDED' HAVING count(*) > 0
        ON CONFLICT (shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;

CREATE FUNCTION count_truncated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM refund_totals;
    RETURN NULL;
END $$;

CREATE TRIGGER refunds_inserted AFTER INSERT ON payment_refunds REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_refunds();
CREATE TRIGGER refunds_updated AFTER UPDATE ON payment_refunds
    REFERENCING OLD TABLE AS before_update NEW TABLE AS after_update
    FOR EACH STATEMENT EXECUTE FUNCTION count_updated_refunds();
CREATE TRIGGER refunds_deleted AFTER DELETE ON payment_refunds REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_refunds();
CREATE TRIGGER refunds_truncated AFTER TRUNCATE ON payment_refunds
    FOR EACH STATEMENT EXECUTE FUNCTION count_truncated_refunds();
