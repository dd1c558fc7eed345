-- What people settled by hand: who, when, why, and what the gateway said at that moment.
CREATE TABLE audit_log (
    audit_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL CHECK (actor <> ''),
    action       text NOT NULL CHECK (action IN ('settle_payment', 'settle_refund')),
    payment_id   bigint NOT NULL REFERENCES payments,
    refund_id    bigint REFERENCES payment_refunds,
    outcome      text NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
    reason       text NOT NULL CHECK (reason <> ''),
    gateway_said text NOT NULL
);
CREATE INDEX idx_audit_log_payment_id ON audit_log (payment_id);
