-- transactional: false

-- Every move of a payment or refund that is not in shared/rules/states.py is refused here, whatever code makes it; and the event
-- of a refund is made as an object, from the one place that lists a payment's fields. Functions of the version before make no
-- other moves, and run meanwhile.
--
-- Each statement by itself, and each may be repeated: a trigger takes a lock on its table for a moment, and functions lock the
-- two tables in either order, so whoever held both locks here could deadlock with them (as in 0004_books).
SET statement_timeout = 0;

CREATE OR REPLACE FUNCTION refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text := CASE TG_OP WHEN 'INSERT' THEN 'a row of %1$s is never written as %3$s'
                            ELSE 'a row of %1$s never goes from %2$s to %3$s' END;
BEGIN
    RAISE integrity_constraint_violation
    USING MESSAGE = format(told, TG_TABLE_NAME, OLD.status, NEW.status), TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END $$;

-- What is legal is in the conditions, so that a legal move costs no call. AFTER: constraints on the row come first, and
-- PostgreSQL need not lock the row to look at it, as it does BEFORE.
-- Whoever has no gateway is a row of the seed: written in any status, and never moved.
CREATE OR REPLACE TRIGGER payments_written AFTER INSERT ON payments FOR EACH ROW
    WHEN (NEW.status <> 'PENDING' AND NEW.gateway IS NOT NULL AND NOT (NEW.status = 'SUCCESS' AND NEW.method = 'CASH'))
    EXECUTE FUNCTION refuse_move();
CREATE OR REPLACE TRIGGER payments_moved AFTER UPDATE OF status ON payments FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND (OLD.gateway IS NULL
               OR OLD.status || ' to ' || NEW.status
                  <> ALL ('{PENDING to SUCCESS, PENDING to FAILED, SUCCESS to REFUNDED}'::text[])))
    EXECUTE FUNCTION refuse_move();
CREATE OR REPLACE TRIGGER refunds_written AFTER INSERT ON payment_refunds FOR EACH ROW
    WHEN (NEW.status <> 'PENDING')
    EXECUTE FUNCTION refuse_move();
CREATE OR REPLACE TRIGGER refunds_moved AFTER UPDATE OF status ON payment_refunds FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND OLD.status || ' to ' || NEW.status <> ALL ('{PENDING to REFUNDED, PENDING to FAILED}'::text[]))
    EXECUTE FUNCTION refuse_move();

-- What a client sees of a payment, field by field: whatever shows one takes it from here. One expression each, so that
-- PostgreSQL inlines them.
CREATE OR REPLACE FUNCTION payment_as_shown(p payments) RETURNS payment_shown LANGUAGE sql STABLE AS $$
    SELECT ROW(
        p.payment_id,
        p.trip_id,
        p.amount,
        p.currency,
        p.method,
        p.status,
        p.reference,
        p.refunded_amount::numeric(12, 2),
        p.failure_code,
        CASE WHEN p.base_fare IS NOT NULL
             THEN ROW(p.base_fare, p.distance_km, p.rate_per_km, p.surge_multiplier, p.amount)::fare_shown END,
        p.metadata,
        to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(p.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::payment_shown
$$;
CREATE OR REPLACE FUNCTION payment_json(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT row_to_json(payment_as_shown(p))
$$;

-- What an event says of a refund: the payment, and the refund in it. Functions of the version before have with_refund for that,
-- which goes with them.
CREATE OR REPLACE FUNCTION refund_event_json(r payment_refunds, p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT row_to_json(event)
      FROM (SELECT shown.*, refund_json(r, p) AS refund FROM payment_as_shown(p) AS shown) AS event
$$;

-- idx_outbox_untried and idx_outbox_failed have taken its place since 0008_refused_events.
DROP INDEX CONCURRENTLY IF EXISTS idx_outbox_undelivered;
