-- The totals of refunds for each currency, which is that of the payment.

SET LOCAL statement_timeout = 0;

-- Nobody writes refunds while they are counted anew; reading goes on.
LOCK TABLE payment_refunds IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM refund_totals;
ALTER TABLE refund_totals
    ADD COLUMN currency text NOT NULL,
    DROP CONSTRAINT refund_totals_pkey,
    ADD PRIMARY KEY (currency, shard);
INSERT INTO refund_totals (currency, shard, count, amount)
SELECT p.currency, 0, count(*), sum(r.amount)
  FROM payment_refunds r JOIN payments p USING (payment_id)
 WHERE r.status = 'REFUNDED' GROUP BY p.currency;

-- LEFT JOIN: whoever deletes a payment together with its refunds, in one statement, is refused and not miscounted.
CREATE OR REPLACE FUNCTION count_inserted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t (currency, shard, count, amount)
    SELECT p.currency, totals_shard(), count(*), sum(r.amount)
      FROM inserted r LEFT JOIN payments p USING (payment_id)
     WHERE r.status = 'REFUNDED' GROUP BY p.currency ORDER BY p.currency
        ON CONFLICT (currency, shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_updated_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t (currency, shard, count, amount)
    SELECT p.currency, totals_shard(), sum(n), sum(n * change.amount)
      FROM (SELECT payment_id, amount, 1 AS n FROM after_update WHERE status = 'REFUNDED'
            UNION ALL
            SELECT payment_id, amount, -1 FROM before_update WHERE status = 'REFUNDED') AS change
      LEFT JOIN payments p USING (payment_id)
     GROUP BY p.currency
    HAVING sum(n) <> 0 OR sum(n * change.amount) <> 0
     ORDER BY p.currency
        ON CONFLICT (currency, shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_deleted_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund_totals AS t (currency, shard, count, amount)
    SELECT p.currency, totals_shard(), -count(*), -sum(r.amount)
      FROM deleted r LEFT JOIN payments p USING (payment_id)
     WHERE r.status = 'REFUNDED' GROUP BY p.currency ORDER BY p.currency
        ON CONFLICT (currency, shard) DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN NULL;
END $$;
