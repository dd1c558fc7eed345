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
    UNIQUE (gateway, account, from_at, to_at),
    CHECK (from_at < to_at),
    CHECK ((movements IS NULL) = (finished_at IS NULL) AND (differences IS NULL) = (finished_at IS NULL))
);

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
