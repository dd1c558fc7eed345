-- The totals as entries that are only ever written and deleted, never changed. Where a row was changed with every payment, a
-- snapshot that somebody held (a backup, any long query) left all its versions to be walked by each payment to come.
--
-- What holds at every moment, in every snapshot: the sum of the entries that exist equals the tables. A trigger writes what its
-- statement changed; `fold_totals` takes entries away and writes their sum in the same transaction. `totals_folded` is only where
-- to begin to read: entries from before `since` exist no more, but those that a held snapshot may still see are in the way.
--
-- `since` is right because an entry has its transaction's number, and whatever is below the least number that is still under way
-- is final (pg_snapshot_xmin). A database that was restored from a dump counts its transactions anew, perhaps from below
-- `since`: `noted_by` is then not the transaction that wrote the row (its xmin), and all entries are read until the next fold.

SET LOCAL statement_timeout = 0;
-- Nobody writes payments meanwhile, which takes milliseconds. While a backup reads the totals this waits no longer, lest payments
-- wait behind it: apply it once more when the backup is done.
SET LOCAL lock_timeout = '4s';
LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE payment_totals IN ACCESS EXCLUSIVE MODE;

-- Payments by status and method; settled refunds have neither.
CREATE TABLE totals_entries (
    written  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    currency text NOT NULL,
    status   text,
    method   text,
    count    bigint NOT NULL,
    amount   numeric NOT NULL,
    refunded numeric NOT NULL
);
CREATE INDEX idx_totals_entries_written ON totals_entries (written);
CREATE TABLE totals_folded (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    since    xid8 NOT NULL,
    noted_by xid8 NOT NULL
);
INSERT INTO totals_folded (since, noted_by) VALUES ('0', '0');

-- The upper bound is there so that the index is taken, whatever statistics say: of a range between bounds that it does not know
-- the planner expects little.
CREATE VIEW totals_counted AS
    SELECT currency, status, method, count, amount, refunded
      FROM totals_entries
     WHERE written >= coalesce((SELECT since FROM totals_folded WHERE noted_by::xid = xmin), '0')
       AND written <= '18446744073709551615';

INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
SELECT currency, status, method, sum(count), sum(amount), sum(refunded)
  FROM payment_totals GROUP BY currency, status, method HAVING sum(count) <> 0;
-- What the functions of the version before read.
DROP TABLE payment_totals;
CREATE VIEW payment_totals AS
    SELECT currency, status, method, count, amount, refunded FROM totals_counted WHERE status IS NOT NULL;

-- One claim in a thousand keeps up, by chance: to count them, all would have to wait for one another. That is some three thousand
-- entries, which are read within three milliseconds and folded within ten; and of the row of `totals_folded` a snapshot that is
-- held for an hour at 500 payments a second keeps fewer than two thousand versions. Where no claims come, a sweep keeps up.
CREATE OR REPLACE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, count(*), sum(amount), sum(refunded_amount)
      FROM inserted GROUP BY currency, status, method;
    IF random() < 0.001 THEN
        PERFORM keep_up();
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_updated_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, sum(n), sum(n * amount), sum(n * refunded_amount)
      FROM (SELECT currency, status, method, amount, refunded_amount, 1 AS n FROM after_update
            UNION ALL
            SELECT currency, status, method, amount, refunded_amount, -1 FROM before_update) AS change
     GROUP BY currency, status, method
    HAVING sum(n) <> 0 OR sum(n * amount) <> 0 OR sum(n * refunded_amount) <> 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_deleted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, -count(*), -sum(amount), -sum(refunded_amount)
      FROM deleted GROUP BY currency, status, method;
    RETURN NULL;
END $$;

-- What was counted until now is taken away: whoever folds at this moment is in nobody's way.
CREATE OR REPLACE FUNCTION count_truncated_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, -sum(count), -sum(amount), -sum(refunded)
      FROM payment_totals GROUP BY currency, status, method
    HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0;
    RETURN NULL;
END $$;

-- Folds the oldest entries that are final: up to ten thousand, and what else the last of their transactions wrote. One at a
-- time; whoever comes second has nothing to do. Gives how many it took.
CREATE FUNCTION fold_totals() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    first  xid8;
    last   xid8;
    number bigint := 0;
BEGIN
    SELECT CASE WHEN noted_by::xid = xmin THEN since ELSE '0' END INTO first FROM totals_folded FOR UPDATE SKIP LOCKED;
    last := (SELECT written
               FROM (SELECT written FROM totals_entries
                      WHERE written >= first AND written < pg_snapshot_xmin(pg_current_snapshot())
                      ORDER BY written LIMIT 10000) AS oldest
              ORDER BY written DESC LIMIT 1);
    IF last IS NOT NULL THEN
        UPDATE totals_folded SET since = last, noted_by = pg_current_xact_id();
        WITH taken AS (
            DELETE FROM totals_entries WHERE written >= first AND written <= last RETURNING *
        ), folded AS (
            INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
            SELECT currency, status, method, sum(count), sum(amount), sum(refunded)
              FROM taken GROUP BY currency, status, method
            HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0
        )
        SELECT count(*) INTO number FROM taken;
    END IF;
    RETURN number;
END $$;

-- Not in a transaction that keeps its snapshot, where it could only fail.
CREATE FUNCTION keep_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM fold_totals();
    END IF;
END $$;
