-- Claims the refund of a charge that was paid after its payment had FAILED: as claim_refund, but nothing is reserved, since nothing of
-- the payment is ours: it stays FAILED. The refund is written as PENDING with a key of its own and the lease, so that whatever settles
-- refunds settles it, with an entry in the audit trail. One commit, once for a payment: its row decides (late_charge_id), against
-- whoever adopts it too. No row where that came first. Gives the lease, as `open_requests` shows it from then on.
WITH payment AS (
    UPDATE payments SET late_charge_id = %(gateway_id)s
     WHERE payment_id = %(payment_id)s AND status || '' = 'FAILED' AND gateway IS NOT NULL AND late_charge_id IS NULL
    RETURNING *
), refund AS (
    INSERT INTO payment_refunds (payment_id, amount, status, reference, reason, correlation_id, source, charge_id)
    SELECT payment_id, amount, 'PENDING', %(reference)s, 'It was paid after it had failed', coalesce(correlation_id, reference),
           'late_payment', late_charge_id
      FROM payment
    RETURNING *
), noted AS (
    INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'give_back_payment', payment_id, refund_id, 'succeeded', 'paid late', 'succeeded', charge_id FROM refund
), claimed AS (
    -- No client's key is hashed with a line break in it, but behind one.
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, refund_id, correlation_id, locked_at, asked, ask_after)
    SELECT own.hash, own.hash, refund.payment_id, refund_id, refund.correlation_id,
           now(), 1, now() + make_interval(secs => %(lease_seconds)s)
      FROM refund
      JOIN payment ON payment.payment_id = refund.payment_id
     CROSS JOIN LATERAL sha256(convert_to(E'late_payment\n' || payment.reference, 'UTF8')) AS own (hash)
    RETURNING key_hash, locked_at, asked, payment_id, refund_id, correlation_id, search_place AS search_cursor
)
SELECT claimed.*, payment.gateway, payment.gateway_account, payment.currency, payment.trip_id,
       payment.payment_token, payment.payment_customer,
       refund.charge_id AS payment_gateway_id,
       refund.reference, refund.amount, refund.gateway_id, refund.created_at, refund.tells_key,
       0::float8 AS age, NULL::text AS simulate,
       refund_json(ROW(refund.*)::payment_refunds, ROW(payment.*)::payments)::text AS shown,
       payment.method, payment.customer_present, NULL::float8 AS waits, refund.source
  FROM refund, payment, claimed
