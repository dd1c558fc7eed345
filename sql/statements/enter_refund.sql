-- Enters a refund that was made at the gateway, or one of a client's that the books lost: as claim_refund, the payment's row is locked and
-- the amount reserved on it, and the refund written as PENDING with its key and the lease, so that whatever settles refunds settles it;
-- and an entry in the audit trail. One commit, once for a refund of the gateway's (payment_refunds_entered_once) or a client's (the unique
-- index on references, and on keys). No row where the payment has not that much left. What is disputed stands in no way: the money is
-- given back already.
WITH payment AS (
    SELECT payment_id, reserved_amount, amount - refunded_amount - reserved_amount AS remaining
      FROM payments
     WHERE payment_id = %(payment_id)s AND status || '' = 'SUCCESS'
       FOR UPDATE
), reserved AS (
    UPDATE payments AS p
       SET reserved_amount = payment.reserved_amount + %(amount)s, updated_at = now()
      FROM payment
     WHERE p.payment_id = payment.payment_id AND %(amount)s <= payment.remaining
    RETURNING p.*
), refund AS (
    INSERT INTO payment_refunds (payment_id, amount, status, reference, correlation_id, source, gateway_id, tells_key)
    SELECT payment_id, %(amount)s, 'PENDING', %(reference)s, %(correlation_id)s, %(source)s, %(gateway_id)s, %(source)s = 'client'
      FROM reserved
    RETURNING *
), claimed AS (
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, refund_id, correlation_id, locked_at, asked, ask_after)
    SELECT %(key_hash)s, %(fingerprint)s, payment_id, refund_id, %(correlation_id)s,
           now(), 1, now() + make_interval(secs => %(lease_seconds)s)
      FROM refund
    RETURNING key_hash, fingerprint, locked_at, asked, payment_id, refund_id, correlation_id, search_place AS search_cursor
), noted AS (
    INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'enter_refund', payment_id, refund_id, 'succeeded', %(reason)s, %(gateway_said)s, gateway_id
      FROM refund
)
SELECT claimed.*, reserved.gateway, reserved.gateway_account, reserved.currency, reserved.trip_id,
       reserved.payment_token, reserved.payment_customer,
       reserved.gateway_id AS payment_gateway_id,
       refund.reference, refund.amount, refund.gateway_id, refund.created_at, refund.tells_key,
       0::float8 AS age, NULL::text AS simulate,
       refund_json(ROW(refund.*)::payment_refunds, ROW(reserved.*)::payments)::text AS shown,
       reserved.method, reserved.customer_present, NULL::float8 AS waits, refund.source
  FROM refund, reserved, claimed
