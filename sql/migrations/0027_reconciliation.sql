-- What each gateway moved, beside what the books say: one reconciliation for each gateway, account and time, and a row for each movement.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '4s';

-- `phase` and `place` are where it goes on when it was stopped: first the gateway's list is read, then what the books have and that list has
-- not; `run` counts how often it was begun, and `working_until` is the lease of whoever works on it, by the database's clock.
CREATE TABLE reconciliations (
    reconciliation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway           text NOT NULL,
    account           text NOT NULL,
    from_at           timestamptz NOT NULL,
    to_at             timestamptz NOT NULL,
    phase             text NOT NULL DEFAULT 'gateway' CHECK (phase IN ('gateway', 'books', 'done')),
    place             text CHECK (length(place) <= 500),
    run               integer NOT NULL DEFAULT 1,
    working_until     timestamptz,
    begun_at          timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz,
    -- As the last run that came to its end found them.
    movements         bigint,
    differences       bigint,
    not_yet_due       bigint,
    UNIQUE (gateway, account, from_at, to_at),
    CHECK (from_at < to_at),
    CHECK (num_nonnulls(finished_at, movements, differences, not_yet_due) IN (0, 4))
);
-- The latest times first.
CREATE INDEX idx_reconciliations_to_at ON reconciliations (to_at, reconciliation_id);

-- One row for each movement: the gateway's by its own name (`txn_…`), what only the books have by theirs (`ours <entry_id>`). Amounts are
-- signed: above zero comes to us. `their_*` is what the gateway says, `our_*` what the books say; `run` is the run that saw it last.
CREATE TABLE reconciled_movements (
    reconciliation_id bigint NOT NULL REFERENCES reconciliations,
    movement          text NOT NULL CHECK (length(movement) <= 300),
    kind              text NOT NULL CHECK (kind IN ('charge', 'refund', 'refund_failure', 'dispute', 'fee', 'payout', 'other')),
    at                timestamptz NOT NULL,
    object_id         text CHECK (length(object_id) <= 255),
    charge_id         text CHECK (length(charge_id) <= 255),
    reference         text CHECK (length(reference) <= 255),
    -- No foreign keys: to make both would lock the two tables, which functions lock in either order.
    payment_id        bigint,
    refund_id         bigint,
    currency          text NOT NULL,
    their_amount      numeric(16, 2),
    our_amount        numeric(16, 2),
    their_status      text,
    our_status        text,
    fee               numeric(16, 2) NOT NULL DEFAULT 0,
    verdict           text NOT NULL CHECK (verdict IN ('matched', 'missing_here', 'missing_there', 'amount_differs', 'status_differs',
                                                       'not_yet_due')),
    why               text CHECK (length(why) <= 500),
    run               integer NOT NULL,
    PRIMARY KEY (reconciliation_id, movement)
);
CREATE INDEX idx_reconciled_movements_differ ON reconciled_movements (reconciliation_id, movement)
    WHERE verdict NOT IN ('matched', 'not_yet_due');
-- Whether a movement of the books was seen in any reconciliation.
CREATE INDEX idx_reconciled_movements_payment_id ON reconciled_movements (payment_id) WHERE payment_id IS NOT NULL;

-- What the books lost, and a gateway has, is entered once more by a person.
ALTER TABLE audit_log
    DROP CONSTRAINT audit_log_action_check,
    ADD CONSTRAINT audit_log_action_check
        CHECK (action IN ('settle_payment', 'settle_refund', 'contradiction', 'adopt_payment', 'give_back_payment', 'reverse_refund',
                          'enter_refund', 'enter_payment')) NOT VALID;

-- Enters a charge that the books lost: PENDING, as it was claimed, with its name at the gateway, so that it is only read there; and its
-- key, which nobody has, so that whatever settles payments settles it. It has its old id, where nobody else has that; one that is too
-- far ahead is somebody's error, and would use up all ids before it.
--
-- With the owner's rights: ids, and times that tell when something happened, the functions' role writes nowhere else, and here not
-- without an entry in the audit trail.
CREATE FUNCTION enter_lost_payment(
    lost payments, key_hash bytea, fingerprint bytea, actor text, reason text, gateway_said text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    ids    CONSTANT regclass := pg_get_serial_sequence('payments', 'payment_id');
    newest CONSTANT bigint := coalesce(pg_sequence_last_value(ids), 0);
    made   CONSTANT timestamptz := least(lost.created_at, now());
    own    bigint := lost.payment_id;
BEGIN
    IF lost.gateway IS NULL OR lost.gateway_id IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'a charge without a name at a gateway is not entered';
    END IF;
    IF own BETWEEN 1 AND newest + 100000000 AND NOT EXISTS (SELECT FROM payments WHERE payment_id = own) THEN
        IF own > newest THEN
            -- Whoever claims takes an id meanwhile: none is given out twice.
            LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE;
            PERFORM setval(ids, greatest(own, pg_sequence_last_value(ids)));
        END IF;
    ELSE
        own := nextval(ids);
    END IF;
    INSERT INTO payments (payment_id, trip_id, amount, currency, method, status, reference, gateway, gateway_account, gateway_id,
                          base_fare, distance_km, rate_per_km, surge_multiplier, driver_id, commission, tells_key, created_at)
    VALUES (own, lost.trip_id, lost.amount, lost.currency, lost.method, 'PENDING', lost.reference, lost.gateway, lost.gateway_account,
            lost.gateway_id, lost.base_fare, lost.distance_km, lost.rate_per_km, lost.surge_multiplier, lost.driver_id,
            lost.commission, true, made);
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, ask_after, created_at)
    VALUES (key_hash, fingerprint, own, lost.reference, now(), made);
    INSERT INTO audit_log (actor, action, payment_id, outcome, reason, gateway_said, gateway_id)
    VALUES (actor, 'enter_payment', own, 'succeeded', reason, gateway_said, lost.gateway_id);
    PERFORM begin_anew();  -- it is older than where open requests begin (0015_oldest_open)
    RETURN own;
END $$;
-- Nobody's tables but these: not those of whoever calls it.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION enter_lost_payment SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE EXECUTE ON FUNCTION enter_lost_payment FROM PUBLIC;
