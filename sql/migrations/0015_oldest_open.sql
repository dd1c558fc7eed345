-- Where to begin to look for what is open, and for what is over: nothing of it is older. An index on what is open keeps an entry of
-- each request that was settled and each event that was delivered until a vacuum; while a snapshot is held none goes, and who looks
-- for the oldest walks them all.
--
-- Why nothing older comes: a row's times are now() of its transaction, or later. When `note_oldest` looks, all transactions up to
-- `noted_by` are over, and what they wrote is seen. Any other got its number after `noted_at`, and so began after it, but for as
-- long as a statement may take until it writes: less than the minute that is taken off (DB_STATEMENT_TIMEOUT is less, or the front
-- door would not wait for it; so are the clocks of servers that take each other's place).
-- A clock that is put back would break that: so a claim that is made before where open requests begin, and whoever notes at a time
-- before the last note, has everything begin anew.
CREATE TABLE oldest_open (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    requests  timestamptz NOT NULL,
    events    timestamptz NOT NULL,
    expired   timestamptz NOT NULL,
    delivered timestamptz NOT NULL,
    noted_at  timestamptz NOT NULL,
    noted_by  xid8 NOT NULL,
    clock     timestamptz NOT NULL
);
INSERT INTO oldest_open VALUES (true, '-infinity', '-infinity', '-infinity', '-infinity', '-infinity', '0', '-infinity');

-- One row, whatever became of the table: open requests were claimed, undelivered events written, answered keys expire, and
-- delivered events were delivered, from here on.
CREATE VIEW open_from AS
    SELECT coalesce(max(requests), '-infinity') AS requests, coalesce(max(events), '-infinity') AS events,
           coalesce(max(expired), '-infinity') AS expired, coalesce(max(delivered), '-infinity') AS delivered
      FROM oldest_open;

CREATE FUNCTION begin_anew() RETURNS void LANGUAGE sql AS $$
    UPDATE oldest_open
       SET requests = '-infinity', events = '-infinity', expired = '-infinity', delivered = '-infinity',
           noted_at = now(), noted_by = pg_current_xact_id(), clock = now()
$$;

-- One at a time; whoever comes second has nothing to do. A row that another transaction than `noted_by` wrote was restored from
-- a dump, where transactions are counted anew.
CREATE FUNCTION note_oldest() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last oldest_open;
BEGIN
    SELECT * INTO last FROM oldest_open FOR UPDATE SKIP LOCKED;
    IF now() < last.clock OR (last.one AND (SELECT noted_by::xid <> xmin FROM oldest_open)) THEN
        PERFORM begin_anew();
    ELSIF last.noted_by < pg_snapshot_xmin(pg_current_snapshot()) THEN
        UPDATE oldest_open SET
            requests = least(last.noted_at, (SELECT created_at FROM idempotency_keys
                                              WHERE num_nulls(answer_status) = 1 AND created_at >= last.requests
                                              ORDER BY created_at LIMIT 1)) - interval '1 min',
            events = least(last.noted_at, (SELECT created_at FROM outbox
                                            WHERE num_nulls(delivered_at) = 1 AND created_at >= last.events
                                            ORDER BY created_at LIMIT 1)) - interval '1 min',
            expired = least(last.noted_at, (SELECT expires_at FROM idempotency_keys
                                             WHERE expires_at >= last.expired ORDER BY expires_at LIMIT 1)) - interval '1 min',
            delivered = least(last.noted_at, (SELECT delivered_at FROM outbox
                                               WHERE delivered_at >= last.delivered ORDER BY delivered_at LIMIT 1))
                        - interval '1 min',
            noted_at = now(), noted_by = pg_current_xact_id(), clock = now();
    END IF;
END $$;

CREATE OR REPLACE FUNCTION keep_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM fold_totals();
        PERFORM note_oldest();
    END IF;
END $$;

CREATE OR REPLACE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, count(*), sum(amount), sum(refunded_amount)
      FROM inserted GROUP BY currency, status, method;
    IF now() < (SELECT requests FROM oldest_open) THEN
        PERFORM begin_anew();
    ELSIF random() < 0.001 THEN
        PERFORM keep_up();
    END IF;
    RETURN NULL;
END $$;
