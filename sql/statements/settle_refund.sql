-- The end of a refund: what was reserved is given back or free again, and receipt of it in event, totals (by trigger) and
-- the stored answer, in one commit. Only a PENDING refund is settled; whoever comes second gets no row. Whether the payment
-- is wholly refunded is decided from its updated row alone, which is right under any concurrency.
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
     WHERE p.payment_id = settled.payment_id
    RETURNING p.*
), shown AS (
    SELECT settled.status, settled.reference, settled.payment_id, settled.caller,
           refund_json(ROW(settled.*)::payment_refunds, ROW(payment.*)::payments) AS refund,
           refund_event_json(ROW(settled.*)::payment_refunds, ROW(payment.*)::payments) AS event
      FROM settled, payment
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
    SELECT reference || CASE status WHEN 'REFUNDED' THEN '.refunded' ELSE '.failed' END,
           CASE status WHEN 'REFUNDED' THEN 'com.ridehailing.payment.refunded.v1'
                       ELSE 'com.ridehailing.refund.failed.v1' END,
           'payments/' || shown.payment_id, correlation_id, traceparent, caller, shown.event,
           clock_timestamp()
      FROM shown, answered
    RETURNING event_id, type, subject, correlation_id, traceparent, caller, data, created_at
)
SELECT answered.answer_status, answered.answer, answered.payment_id, answered.refund_id,
       event.event_id, event.type, event.subject, event.correlation_id, event.traceparent, event.caller,
       event.data::text AS data, event.created_at
  FROM answered, event
