-- The end of a charge: status, receipt, event, totals (by trigger) and the stored answer, in one commit. Only a PENDING
-- payment is settled, so whoever comes second changes nothing and gets no row. What the gateway was asked with, and what the
-- customer was to do, is erased. The key's life begins here.
WITH settled AS (
    UPDATE payments
       SET status = %(status)s, failure_code = %(failure_code)s, payment_token = NULL, payment_customer = NULL, next_action = NULL,
           updated_at = now(),
           gateway_id = coalesce(%(gateway_id)s, gateway_id), asked_ms = %(asked_ms)s
     WHERE payment_id = %(payment_id)s AND status || '' = 'PENDING' AND gateway IS NOT NULL
    RETURNING payment_id, amount, currency, reference, status, caller, payment_json(payments) AS shown
), receipt AS (
    INSERT INTO payment_receipts (payment_id, amount, currency)
    SELECT payment_id, amount, currency FROM settled WHERE status = 'SUCCESS'
), answered AS (
    UPDATE idempotency_keys AS k
       SET answer_status = CASE settled.status WHEN 'SUCCESS' THEN 201 ELSE 402 END, answer = settled.shown,
           expires_at = now() + make_interval(secs => %(key_ttl)s), locked_at = NULL, ask_after = NULL
      FROM settled
     WHERE key_hash = %(key_hash)s
    RETURNING answer_status, answer::text AS answer, k.payment_id, k.refund_id, correlation_id, traceparent
), event AS (
    INSERT INTO outbox (event_id, type, subject, correlation_id, traceparent, caller, data)
    SELECT reference || CASE status WHEN 'SUCCESS' THEN '.succeeded' ELSE '.failed' END,
           'com.ridehailing.payment.' || CASE status WHEN 'SUCCESS' THEN 'succeeded' ELSE 'failed' END || '.v1',
           'payments/' || settled.payment_id, correlation_id, traceparent, caller, shown
      FROM settled, answered
    RETURNING event_id, type, subject, correlation_id, traceparent, caller, data, created_at
)
SELECT answered.answer_status, answered.answer, answered.payment_id, answered.refund_id,
       event.event_id, event.type, event.subject, event.correlation_id, event.traceparent, event.caller,
       event.data::text AS data, event.created_at
  FROM answered, event
