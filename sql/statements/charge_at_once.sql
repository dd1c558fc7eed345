-- Where there is nobody to ask (cash): claimed and settled at once, in one commit: payment, receipt, event, key with its answer.
-- A race for the key or for the trip's fare aborts the whole, as in claim_payment.
WITH payment AS (
    INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway,
                          base_fare, distance_km, rate_per_km, surge_multiplier, driver_id, commission,
                          metadata, caller, correlation_id)
    VALUES (%(trip_id)s, %(amount)s, %(currency)s, %(method)s, 'SUCCESS', %(reference)s, %(gateway)s,
            %(base_fare)s, %(distance_km)s, %(rate_per_km)s, %(surge_multiplier)s, %(driver_id)s, %(commission)s,
            %(metadata)s, %(caller)s, %(correlation_id)s)
    RETURNING payment_id, amount, currency, reference, payment_json(payments) AS shown
), receipt AS (
    INSERT INTO payment_receipts (payment_id, amount, currency)
    SELECT payment_id, amount, currency FROM payment
), event AS (
    INSERT INTO outbox (event_id, type, subject, correlation_id, traceparent, caller, data)
    SELECT reference || '.succeeded', 'com.ridehailing.payment.succeeded.v1', 'payments/' || payment_id,
           %(correlation_id)s, %(traceparent)s, %(caller)s, shown
      FROM payment
    RETURNING event_id, type, subject, correlation_id, traceparent, caller, data, created_at
), answered AS (
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, traceparent,
                                  answer_status, answer, expires_at)
    SELECT %(key_hash)s, %(fingerprint)s, payment_id, %(correlation_id)s, %(traceparent)s,
           201, shown, now() + make_interval(secs => %(key_ttl)s)
      FROM payment
    RETURNING answer_status, answer::text AS answer, payment_id, refund_id
)
SELECT answered.*,
       event.event_id, event.type, event.subject, event.correlation_id, event.traceparent, event.caller,
       event.data::text AS data, event.created_at
  FROM payment, answered, event
