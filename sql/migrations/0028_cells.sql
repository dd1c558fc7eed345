-- The database knows of which cell it is, so that no two cells give out the same ids (shared/rules/cells.py).
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '4s';

-- One row, once that is known.
CREATE TABLE cell (number integer NOT NULL CHECK (number BETWEEN 0 AND 8191));
CREATE UNIQUE INDEX cell_is_one ON cell ((true));
-- Whoever comes here may know. The version before, when it is deployed again, takes from the functions' role what it does not know
-- of; those of this version that still run then ask on.
GRANT SELECT ON cell TO PUBLIC;

-- Whether any payment or refund had an id of this database.
CREATE FUNCTION has_given_ids() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT pg_sequence_last_value(pg_get_serial_sequence('payments', 'payment_id')) IS NOT NULL
        OR pg_sequence_last_value(pg_get_serial_sequence('payment_refunds', 'refund_id')) IS NOT NULL
        OR EXISTS (SELECT FROM payments)
$$;

-- Refuses whoever takes this database for another cell's, by an SQLSTATE that nothing else has.
CREATE FUNCTION in_cell(own integer) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    found CONSTANT integer := (SELECT number FROM cell);
BEGIN
    IF found IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'the database is not migrated: it is no cell''s yet';
    ELSIF found <> own THEN
        RAISE EXCEPTION USING ERRCODE = 'WCELL',
              MESSAGE = format('CELL is %s, and the database %s is of cell %s', own, current_database(), found);
    END IF;
END $$;

-- Makes the database a cell's, once and for all, or refuses as in_cell. One that has given out ids is cell 0's, of which nothing is
-- altered. What any other gives out is bounded.
CREATE FUNCTION be_cell(own integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    bounds CONSTANT text := format('MINVALUE %1$s MAXVALUE %2$s START %1$s RESTART',
                                   own * (1::bigint << 40) + 1, (own + 1) * (1::bigint << 40) - 1);
BEGIN
    IF NOT EXISTS (SELECT FROM cell) THEN
        IF own > 0 THEN
            -- Whoever claims an id meanwhile has it before this, or waits for the bounds.
            LOCK TABLE payments, payment_refunds IN SHARE ROW EXCLUSIVE MODE;
        END IF;
        INSERT INTO cell VALUES (CASE WHEN has_given_ids() THEN 0 ELSE own END);
        IF own > 0 THEN
            PERFORM in_cell(own);
            EXECUTE format('ALTER SEQUENCE %s %s', pg_get_serial_sequence('payments', 'payment_id'), bounds);
            EXECUTE format('ALTER SEQUENCE %s %s', pg_get_serial_sequence('payment_refunds', 'refund_id'), bounds);
        END IF;
    END IF;
    PERFORM in_cell(own);
END $$;
REVOKE EXECUTE ON FUNCTION be_cell FROM PUBLIC;

-- Who has taken payments never said of which cell.
INSERT INTO cell SELECT 0 WHERE has_given_ids();

-- Enters a charge that the books lost: PENDING, as it was claimed, with its name at the gateway, so that it is only read there; and its
-- key, which nobody has, so that whatever settles payments settles it. It has its old id, where nobody else has that; one that is too
-- far ahead is somebody's error, and would use up all ids before it, and one of another cell's is none of ours. Here as before
-- (0027_reconciliation) but for where ids begin and end.
--
-- With the owner's rights: ids, and times that tell when something happened, the functions' role writes nowhere else, and here not
-- without an entry in the audit trail.
CREATE OR REPLACE FUNCTION enter_lost_payment(
    lost payments, key_hash bytea, fingerprint bytea, actor text, reason text, gateway_said text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    ids    CONSTANT regclass := pg_get_serial_sequence('payments', 'payment_id');
    first  CONSTANT bigint := (SELECT seqmin FROM pg_sequence WHERE seqrelid = ids);
    last   CONSTANT bigint := (SELECT seqmax FROM pg_sequence WHERE seqrelid = ids);
    newest CONSTANT bigint := coalesce(pg_sequence_last_value(ids), first - 1);
    made   CONSTANT timestamptz := least(lost.created_at, now());
    own    bigint := lost.payment_id;
BEGIN
    IF lost.gateway IS NULL OR lost.gateway_id IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'a charge without a name at a gateway is not entered';
    END IF;
    IF own BETWEEN first AND least(newest + 100000000, last) AND NOT EXISTS (SELECT FROM payments WHERE payment_id = own) THEN
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
