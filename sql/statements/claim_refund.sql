-- The claim of a refund: locks the payment's row, reserves the amount (all that is left unless one is given) on it, and
-- writes the refund as PENDING and the key with its lease. One commit. What is disputed is not left: a bank holds it, or took it. No
-- row where the payment does not allow it, its currency does not express the amount, or it was charged with a gateway, or an account
-- of it, that cannot be asked now (of old payments no account is known). The row that is locked decides, so refunds at the same moment
-- never reserve more than there is (payments_refunds_within_amount). Gives the lease, as `open_requests` shows it from then on.
-- What is reserved is counted from that row too, never from `p`: PostgreSQL checks constraints on what the snapshot shows of
-- `p` before it finds out that the row changed since, and a reservation that was just given back would fail them.
WITH payment AS (
    SELECT payment_id, reserved_amount, amount - refunded_amount - reserved_amount - disputed_amount AS remaining
      FROM payments
     WHERE payment_id = %(payment_id)s AND status || '' = 'SUCCESS' AND currency <> ALL (%(not_in)s)
       AND EXISTS (SELECT FROM unnest(%(gateways)s::text[], %(accounts)s::text[]) AS ours (gateway, account)
                    WHERE ours.gateway = payments.gateway AND ours.account = coalesce(split_part(payments.gateway_account, '#', 1), ours.account))
       FOR UPDATE
), reserved AS (
    UPDATE payments AS p
       SET reserved_amount = payment.reserved_amount + coalesce(%(amount)s, payment.remaining), updated_at = now()
      FROM payment
     WHERE p.payment_id = payment.payment_id
       AND payment.remaining > 0 AND coalesce(%(amount)s, payment.remaining) <= payment.remaining
    RETURNING p.*
), refund AS (
    INSERT INTO payment_refunds (payment_id, amount, status, reference, reason, metadata, tells_key, caller, correlation_id)
    SELECT payment.payment_id, coalesce(%(amount)s, payment.remaining), 'PENDING', %(reference)s, %(reason)s, %(metadata)s, true,
           %(caller)s, %(correlation_id)s
      FROM payment, reserved
    RETURNING *
), claimed AS (
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, refund_id, correlation_id, traceparent,
                                  locked_at, asked, ask_after)
    SELECT %(key_hash)s, %(fingerprint)s, payment_id, refund_id, %(correlation_id)s, %(traceparent)s,
           now(), 1, now() + make_interval(secs => %(lease_seconds)s)
      FROM refund
    RETURNING key_hash, fingerprint, locked_at, asked, payment_id, refund_id, correlation_id, search_place AS search_cursor
)
SELECT claimed.*, reserved.gateway, reserved.gateway_account, reserved.currency, reserved.trip_id,
       reserved.payment_token, reserved.payment_customer,
       reserved.method, reserved.customer_present, NULL::float8 AS waits, refund.source,
       reserved.gateway_id AS payment_gateway_id,
       refund.reference, refund.amount, refund.gateway_id, refund.created_at, refund.tells_key,
       0::float8 AS age, refund.metadata ->> 'simulate' AS simulate,
       refund_json(ROW(refund.*)::payment_refunds, ROW(reserved.*)::payments)::text AS shown
  FROM refund, reserved, claimed
