-- Entries are folded past a transaction that writes for long, in whichever database of the server. Until it ended none was
-- (0011_totals_entries), and each reader of the totals had all that came meanwhile to add up: 1.5 s for ten minutes' worth.
--
-- What is final is told by a snapshot: what began before its end and is not under way in it. A fold takes all of that up to `since`,
-- and notes what was under way, itself included, as `passed_over`: entries from before `since` exist of those alone.
SET LOCAL lock_timeout = '4s';

CREATE OR REPLACE VIEW totals_counted AS
    SELECT currency, status, method, count, amount, refunded
      FROM totals_entries
     WHERE written >= coalesce((SELECT since FROM totals_folded WHERE noted_by::xid = xmin), '0')
       AND written <= '18446744073709551615'
     UNION ALL
    SELECT currency, status, method, count, amount, refunded
      FROM totals_entries
     WHERE written = ANY ((SELECT passed_over FROM totals_folded WHERE noted_by::xid = xmin)::xid8[])
       AND written < (SELECT since FROM totals_folded WHERE noted_by::xid = xmin);

-- Folds the oldest entries that are final: up to ten thousand, what else the last of their transactions wrote, and what was passed
-- over before. One at a time; whoever comes second has nothing to do. Gives how many it took.
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
            INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
            SELECT currency, status, method, sum(count), sum(amount), sum(refunded)
              FROM taken GROUP BY currency, status, method
            HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0
        )
        SELECT count(*) INTO number FROM taken;
    END IF;
    RETURN number;
END $$;
