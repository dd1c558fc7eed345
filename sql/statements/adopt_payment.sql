-- Adopts a payment that was paid after it had FAILED: it is charged from then on, under the charge that was paid. Status, receipt,
-- event, totals (by trigger) and an entry in the audit trail, in one commit; what its key is answered with stays. Once for a payment:
-- its row decides (late_charge_id), against whoever gives it back too. No row where that came first, or where another payment of
-- its trip has not FAILED (idx_payments_trip_id). Whoever claims the trip's fare at the same moment aborts this, or is aborted by it
-- (payments_one_fare_per_trip).
WITH adopted AS (
    UPDATE payments AS p
       SET status = 'SUCCESS', failure_code = NULL, gateway_id = %(gateway_id)s, late_charge_id = %(gateway_id)s,
           failed_at = updated_at, updated_at = now()
     WHERE payment_id = %(payment_id)s AND status || '' = 'FAILED' AND gateway IS NOT NULL AND late_charge_id IS NULL
       AND NOT EXISTS (SELECT FROM payments AS other
                        WHERE other.trip_id = p.trip_id AND other.payment_id <> p.payment_id AND other.status || '' <> 'FAILED')
    RETURNING payment_id, amount, currency, reference, caller, coalesce(correlation_id, reference) AS correlation_id,
              payment_json(p) AS shown
), receipt AS (
    INSERT INTO payment_receipts (payment_id, amount, currency)
    SELECT payment_id, amount, currency FROM adopted
), noted AS (
    INSERT INTO audit_log (actor, action, payment_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'adopt_payment', payment_id, 'succeeded', 'paid late, and its trip was not paid otherwise', 'succeeded',
           %(gateway_id)s
      FROM adopted
)
-- By the clock, since the row may have been waited for: it is told after it was told to have failed.
INSERT INTO outbox (event_id, type, subject, correlation_id, caller, data, created_at)
SELECT reference || '.succeeded', 'com.ridehailing.payment.succeeded.v1', 'payments/' || payment_id, correlation_id, caller, shown,
       clock_timestamp()
  FROM adopted
RETURNING event_id, type, subject, correlation_id, traceparent, caller, data::text AS data, created_at
