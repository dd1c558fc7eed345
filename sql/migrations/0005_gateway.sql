-- What a claim remembers of the gateway, and what the gateway said against the books.
-- Functions of the version before run meanwhile: columns are only added, and may be empty.

-- gateway_account: the account of the gateway that the claim was made with; none for claims from before.
-- payment_customer: the gateway's name of the customer whose saved method the token is; kept as long as the token.
ALTER TABLE payments ADD COLUMN gateway_account text, ADD COLUMN payment_customer text;
-- NOT VALID: the rows that are there have none, so the table need not be read under a lock.
ALTER TABLE payments ADD CONSTRAINT payments_payment_customer_check
    CHECK (payment_customer IS NULL OR status = 'PENDING') NOT VALID;

-- Where a search for the charge or refund in the gateway's list goes on, in the gateway's own words.
ALTER TABLE idempotency_keys ADD COLUMN search_place text;

-- A late answer of the gateway's that contradicts what is stored is noted too, by the function that got it; forced is set
-- where somebody settled by hand against what the gateway said.
ALTER TABLE audit_log ADD COLUMN gateway_id text, ADD COLUMN forced boolean NOT NULL DEFAULT false;
ALTER TABLE audit_log DROP CONSTRAINT audit_log_action_check,
    ADD CONSTRAINT audit_log_action_check CHECK (action IN ('settle_payment', 'settle_refund', 'contradiction'));
-- Each contradiction once; and they are counted from here, however many entries the audit trail has.
CREATE UNIQUE INDEX idx_audit_log_contradictions ON audit_log (payment_id, refund_id, outcome, gateway_id)
    NULLS NOT DISTINCT WHERE action = 'contradiction';

CREATE OR REPLACE VIEW unsettled AS
    SELECT k.key_hash, k.payment_id, k.refund_id, k.correlation_id, k.traceparent, k.locked_at, k.asked, k.ask_after,
           p.gateway, p.method, p.currency, p.payment_token,
           p.reference AS payment_reference,
           p.gateway_id AS payment_gateway_id,
           coalesce(r.reference, p.reference) AS reference,
           coalesce(r.amount, p.amount) AS amount,
           CASE WHEN r.refund_id IS NULL THEN p.gateway_id ELSE r.gateway_id END AS gateway_id,
           coalesce(r.created_at, p.created_at) AS created_at,
           coalesce(r.metadata, p.metadata) ->> 'simulate' AS simulate,
           CASE WHEN r.refund_id IS NULL THEN payment_json(p) ELSE refund_json(r, p) END AS shown,
           p.gateway_account, p.payment_customer, p.trip_id, k.search_place
      FROM idempotency_keys k
      JOIN payments p ON p.payment_id = k.payment_id
      LEFT JOIN payment_refunds r ON r.refund_id = k.refund_id
     WHERE k.answer_status IS NULL;
