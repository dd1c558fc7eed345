-- The end of a refund: what was reserved is given back or free again, and receipt of it in event, totals (by trigger) and
-- the stored answer, in one commit. Only a PENDING refund is settled; whoever comes second gets no row. Whether the payment
-- is wholly refunded is decided from its updated row alone, which is right under any concurrency.
-- What gives back a charge that was paid late has nothing reserved, and leaves the payment as it is. Where the gateway declines that,
-- it keeps money that is not ours: an entry in the audit trail, for a person.
WITH settled AS (
    UPDATE payment_refunds
       SET status = %(status)s, failure_code = %(failure_code)s, updated_at = now(),
           gateway_id = coalesce(%(gateway_id)s, gateway_id), asked_ms = %(asked_ms)s
     WHERE refund_id = %(refund_id)s AND status = 'PENDING'
    RETURNING *
), payment AS (
    UPDATE payments AS p
       SET reserved_amount = p.reserved_amount - settled.amount,
           refunded_amount = p.refunded_amount + CASE settled.status WHEN 'REFUNDED' THEN settled.amount ELSE 0 END,
           status = CASE WHEN settled.status = 'REFUNDED' AND p.refunded_amount + settled.amount = p.amount
                         THEN 'REFUNDED' ELSE p.status END,
           updated_at = now()
      FROM settled
     WHERE p.payment_id = settled.payment_id AND settled.source <> 'late_payment'
    RETURNING p.*
), paid_late AS (
    SELECT p.* FROM settled JOIN payments AS p ON p.payment_id = settled.payment_id WHERE settled.source = 'late_payment'
), shown AS (
    SELECT settled.status, settled.reference, settled.payment_id, settled.source,
           CASE settled.source WHEN 'late_payment' THEN payment.caller ELSE settled.caller END AS caller,
           refund_json(ROW(settled.*)::payment_refunds, ROW(payment.*)::payments) AS refund,
           refund_event_json(ROW(settled.*)::payment_refunds, ROW(payment.*)::payments) AS event
      FROM settled, (SELECT * FROM payment UNION ALL SELECT * FROM paid_late) AS payment
), kept AS (
    INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'contradiction', payment_id, refund_id, 'failed', 'to be given back, since it was paid late',
           concat_ws(', ', 'it cannot be given back', failure_code), gateway_id
      FROM settled
     WHERE source = 'late_payment' AND status = 'FAILED'
        ON CONFLICT DO NOTHING
), answered AS (
    UPDATE idempotency_keys AS k
       SET answer_status = CASE shown.status WHEN 'REFUNDED' THEN 201 ELSE 402 END, answer = shown.refund,
           expires_at = now() + make_interval(secs => %(key_ttl)s), locked_at = NULL, ask_after = NULL
      FROM shown
     WHERE key_hash = %(key_hash)s
    RETURNING answer_status, answer::text AS answer, k.payment_id, k.refund_id, correlation_id, traceparent
), event AS (
    -- By the clock, since the payment's row is locked by now: refunds of one payment are told in the order of their effect.
    INSERT INTO outbox (event_id, type, subject, correlation_id, traceparent, caller, data, created_at)
    SELECT reference || '.' || CASE WHEN status = 'FAILED' THEN 'failed'
                                    WHEN source = 'late_payment' THEN 'given_back' ELSE 'refunded' END,
           CASE WHEN status = 'FAILED' THEN 'com.ridehailing.refund.failed.v1'
                WHEN source = 'late_payment' THEN 'com.ridehailing.payment.given_back.v1'
                ELSE 'com.ridehailing.payment.refunded.v1' END,
           'payments/' || shown.payment_id, correlation_id, traceparent, caller, shown.event,
           clock_timestamp()
      FROM shown, answered
    RETURNING event_id, type, subject, correlation_id, traceparent, caller, data, created_at
)
SELECT answered.answer_status, answered.answer, answered.payment_id, answered.refund_id,
       event.event_id, event.type, event.subject, event.correlation_id, event.traceparent, event.caller,
       event.data::text AS data, event.created_at, shown.source
  FROM answered, event, shown
