-- A refund that was given back and came back: the amount is the payment's again, which is wholly refunded no more, and an event and an
-- entry in the audit trail say so, in one commit. Only a REFUNDED refund is reversed; whoever comes second changes nothing and gets
-- no row. The answer that its key has stays. What a refund of a charge gave back that was paid late was never among the payment's
-- amounts, so that they stay.
WITH reversed AS (
    UPDATE payment_refunds
       SET status = 'REVERSED', failure_code = %(failure_code)s, reversed_at = now()
     WHERE refund_id = %(refund_id)s AND status = 'REFUNDED'
    RETURNING *
), less AS (
    UPDATE payments AS p
       SET refunded_amount = p.refunded_amount - reversed.amount, reversed_amount = p.reversed_amount + reversed.amount,
           status = CASE p.status WHEN 'REFUNDED' THEN 'SUCCESS' ELSE p.status END, updated_at = now()
      FROM reversed
     WHERE p.payment_id = reversed.payment_id AND reversed.source <> 'late_payment'
    RETURNING p.*
), payment AS (
    SELECT * FROM less
     UNION ALL
    SELECT p.* FROM payments p JOIN reversed USING (payment_id) WHERE reversed.source = 'late_payment'
), noted AS (
    INSERT INTO audit_log (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id)
    SELECT %(actor)s, 'reverse_refund', payment_id, refund_id, 'failed', 'it came back', %(gateway_said)s, %(gateway_id)s
      FROM reversed
)
-- By the clock, as settle_refund.
INSERT INTO outbox (event_id, type, subject, correlation_id, caller, data, created_at)
SELECT reversed.reference || '.reversed', 'com.ridehailing.refund.reversed.v1', 'payments/' || reversed.payment_id,
       coalesce(reversed.correlation_id, reversed.reference), reversed.caller,
       refund_event_json(ROW(reversed.*)::payment_refunds, ROW(payment.*)::payments), clock_timestamp()
  FROM reversed, payment
RETURNING event_id, type, subject, correlation_id, traceparent, caller, data::text AS data, created_at
