-- What 0015_oldest_open left open where a clock is put back by more than a minute:
--
-- A refund is claimed, and an event written, without a row of its own in payments: only who inserted one looked whether what is
-- open begins later than now. Each updates one, so whoever updates payments looks too.
--
-- A request that was claimed by the earlier clock, and an event of it, is asked or sent again by the later one: what a sweep
-- finds it by, `ask_after` and `next_attempt_at`, is then before its `created_at`. What is open begins no later than either.

-- An index each: idx_idempotency_oldest, idx_idempotency_open; idx_outbox_oldest, idx_outbox_untried, idx_outbox_failed;
-- idx_idempotency_expires; idx_outbox_delivered.
CREATE OR REPLACE FUNCTION note_oldest() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last oldest_open;
BEGIN
    SELECT * INTO last FROM oldest_open FOR UPDATE SKIP LOCKED;
    IF now() < last.clock OR (last.one AND (SELECT noted_by::xid <> xmin FROM oldest_open)) THEN
        PERFORM begin_anew();
    ELSIF last.noted_by < pg_snapshot_xmin(pg_current_snapshot()) THEN
        UPDATE oldest_open SET
            requests = least(last.noted_at,
                             (SELECT created_at FROM idempotency_keys
                               WHERE num_nulls(answer_status) = 1 AND created_at >= last.requests
                               ORDER BY created_at LIMIT 1),
                             (SELECT ask_after FROM idempotency_keys
                               WHERE answer_status IS NULL AND ask_after >= last.requests
                               ORDER BY ask_after LIMIT 1)) - interval '1 min',
            events = least(last.noted_at,
                           (SELECT created_at FROM outbox
                             WHERE num_nulls(delivered_at) = 1 AND created_at >= last.events
                             ORDER BY created_at LIMIT 1),
                           (SELECT next_attempt_at FROM outbox
                             WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts = 0 AND next_attempt_at >= last.events
                             ORDER BY next_attempt_at LIMIT 1),
                           (SELECT next_attempt_at FROM outbox
                             WHERE num_nulls(delivered_at, refused_at) = 2 AND attempts > 0 AND next_attempt_at >= last.events
                             ORDER BY next_attempt_at LIMIT 1)) - interval '1 min',
            expired = least(last.noted_at, (SELECT expires_at FROM idempotency_keys
                                             WHERE expires_at >= last.expired ORDER BY expires_at LIMIT 1)) - interval '1 min',
            delivered = least(last.noted_at, (SELECT delivered_at FROM outbox
                                               WHERE delivered_at >= last.delivered ORDER BY delivered_at LIMIT 1))
                        - interval '1 min',
            noted_at = now(), noted_by = pg_current_xact_id(), clock = now();
    END IF;
END $$;

CREATE OR REPLACE FUNCTION count_inserted_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
    SELECT currency, status, method, count(*), sum(amount), sum(refunded_amount)
      FROM inserted GROUP BY currency, status, method;
    IF now() < (SELECT greatest(requests, events) FROM oldest_open) THEN
        PERFORM begin_anew();
    ELSIF random() < 0.001 THEN
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
    IF now() < (SELECT greatest(requests, events) FROM oldest_open) THEN
        PERFORM begin_anew();
    END IF;
    RETURN NULL;
END $$;
