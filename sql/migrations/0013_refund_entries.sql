-- Settled refunds as entries of the totals too (0011_totals_entries): those of payments and these are counted apart, since the
-- functions lock the two tables in either order, and whoever held both locks here could deadlock with them.

SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '4s';
LOCK TABLE payment_refunds IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE refund_totals IN ACCESS EXCLUSIVE MODE;

INSERT INTO totals_entries (currency, count, amount, refunded)
SELECT currency, sum(count), sum(amount), 0 FROM refund_totals GROUP BY currency HAVING sum(count) <> 0;
-- What the functions of the version before read.
DROP TABLE refund_totals;
CREATE VIEW refund_totals AS SELECT currency, count, amount FROM totals_counted WHERE status IS NULL;

-- LEFT JOIN: whoever deletes a payment together with its refunds, in one statement, is refused and not miscounted.
CREATE OR REPLACE FUNCTION count_inserted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT p.currency, count(*), sum(r.amount), 0
      FROM inserted r LEFT JOIN payments p USING (payment_id)
     WHERE r.status = 'REFUNDED' GROUP BY p.currency;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_updated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT p.currency, sum(n), sum(n * change.amount), 0
      FROM (SELECT payment_id, amount, 1 AS n FROM after_update WHERE status = 'REFUNDED'
            UNION ALL
            SELECT payment_id, amount, -1 FROM before_update WHERE status = 'REFUNDED') AS change
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
     WHERE r.status = 'REFUNDED' GROUP BY p.currency;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_truncated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, count, amount, refunded)
    SELECT currency, -sum(count), -sum(amount), 0
      FROM refund_totals GROUP BY currency HAVING sum(count) <> 0 OR sum(amount) <> 0;
    RETURN NULL;
END $$;

DROP FUNCTION totals_shard;
