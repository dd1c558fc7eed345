-- Figures over time: what the entries of the totals say (0011_totals_entries), by the quarter of an hour in which it happened, since
-- the clocks of time zones differ by that. An entry is a net move: a charge that is settled is -1 PENDING and +1 SUCCESS, a refund +1
-- without a status. Of any period the sum of its quarters, and of the entries that are not folded yet, is what happened in it.
--
-- Takes a payment no further row. `fold_totals` adds what it takes away to its quarters in the same transaction, one fold at a time.
-- Of a row of a quarter a snapshot that is held keeps a version for each fold of that quarter: fewer than five hundred at 500 payments
-- a second, however long it is held; who reads figures walks those of the quarters since, ten thousand an hour.
SET LOCAL statement_timeout = 0;
-- A backup may be reading the entries, as in 0011_totals_entries.
SET LOCAL lock_timeout = '4s';

CREATE TABLE figures_by_quarter (
    quarter  timestamptz NOT NULL,
    currency text NOT NULL,
    status   text,
    count    bigint NOT NULL,
    amount   numeric NOT NULL,
    refunded numeric NOT NULL,
    CONSTRAINT figures_by_quarter_key UNIQUE NULLS NOT DISTINCT (quarter, currency, status)
) WITH (fillfactor = 50);
-- From when on all that happened is in the quarters. Rows of the seed, and what becomes of any payment afterwards, are there besides.
CREATE TABLE figures_since (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    since timestamptz NOT NULL
);

CREATE FUNCTION quarter_of(moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin('15 min', moment, '2000-01-01 00:00+00');

-- Rows of the seed that are there already: whoever loads them waits for this, who pays does not. Some seconds at ten million payments.
LOCK TABLE payments IN SHARE UPDATE EXCLUSIVE MODE;
INSERT INTO figures_by_quarter (quarter, currency, status, count, amount, refunded)
SELECT quarter_of(created_at), currency, status, count(*), sum(amount), sum(refunded_amount)
  FROM payments WHERE gateway IS NULL GROUP BY 1, 2, 3;

-- When it happened. NULL: in quarters already, or before there were any.
ALTER TABLE totals_entries ADD COLUMN at timestamptz;
ALTER TABLE totals_entries ALTER COLUMN at SET DEFAULT now();
-- Not when this transaction began: what was paid while it waited for its locks is not there.
INSERT INTO figures_since (since)
SELECT CASE WHEN EXISTS (SELECT FROM payments WHERE gateway IS NOT NULL) THEN clock_timestamp() ELSE '-infinity' END;

-- As totals_counted (0020_fold_past_writers).
CREATE VIEW figures_counted AS
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

-- The functions that run have what they need for this before `sql/rights.sql` says so.
DO $$
DECLARE
    writer regrole;
BEGIN
    FOR writer IN SELECT DISTINCT grantee
                    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
                   WHERE attrelid = 'totals_entries'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner LOOP
        EXECUTE format('GRANT INSERT (at) ON totals_entries TO %s', writer);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE (count, amount, refunded) ON figures_by_quarter TO %s', writer);
    END LOOP;
END $$;

-- A row of the seed happened when it says.
CREATE OR REPLACE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded, at)
    SELECT currency, status, method, count(*), sum(amount), sum(refunded_amount), happened
      FROM (SELECT *, CASE WHEN gateway IS NULL THEN created_at ELSE now() END AS happened FROM inserted) AS inserted
     GROUP BY currency, status, method, happened;
    IF now() < (SELECT greatest(requests, events) FROM oldest_open) THEN
        PERFORM begin_anew();
    ELSIF random() < 0.001 THEN
        PERFORM keep_up();
    END IF;
    RETURN NULL;
END $$;

-- Folds the oldest entries that are final: up to ten thousand, what else the last of their transactions wrote, and what was passed
-- over before; and adds them to their quarters. One at a time; whoever comes second has nothing to do. Gives how many it took.
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
        )
        SELECT count(*) INTO number FROM taken;
    END IF;
    RETURN number;
END $$;
