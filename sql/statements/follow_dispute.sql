-- What a dispute is, in the books: its row, what the payment holds back for it, its event and the totals (by trigger), in one commit. The
-- payment is the one with this charge (idx_payments_gateway_id), or this reference; its row is locked first, so that whoever follows a
-- dispute of it, or claims a refund of it, comes one after the other.
--
-- A dispute moves from one of the statuses `before`, which lead to this one (shared/rules/states.py); what comes too late moves nothing.
-- OPEN and LOST hold what is disputed; in a currency that is not the payment's, all that the payment was. Of a payment that is not
-- settled nothing is written. No payment, no row; a row without `status`: another wrote this dispute's row while this one waited for the
-- payment's, and the statement, run again, sees it.
WITH payment AS (
    SELECT * FROM payments
     WHERE gateway = %(gateway)s AND (gateway_id = %(charge_id)s OR reference = %(reference)s)
     ORDER BY payment_id LIMIT 1
       FOR NO KEY UPDATE
), was AS (
    SELECT d.* FROM payment
      JOIN payment_disputes d ON d.gateway = %(gateway)s AND d.gateway_id = %(gateway_id)s
       FOR UPDATE OF d
), entered AS (
    INSERT INTO payment_disputes (payment_id, gateway, gateway_id, amount, currency, status, reason, evidence_due_by, opened_at,
                                  closed_at)
    SELECT payment_id, %(gateway)s, %(gateway_id)s, %(amount)s, %(currency)s, %(status)s, %(reason)s,
           %(evidence_due_by)s::timestamptz, %(opened_at)s::timestamptz,
           CASE WHEN %(status)s IN ('WON', 'LOST', 'WITHDRAWN') THEN now() END
      FROM payment
     WHERE status <> 'PENDING' AND NOT EXISTS (SELECT FROM was)
        ON CONFLICT DO NOTHING
    RETURNING *
), moved AS (
    UPDATE payment_disputes AS d
       SET status = %(status)s, amount = %(amount)s, reason = %(reason)s, evidence_due_by = %(evidence_due_by)s::timestamptz,
           closed_at = CASE WHEN d.status = %(status)s THEN d.closed_at
                            WHEN %(status)s IN ('WON', 'LOST', 'WITHDRAWN') THEN now() END,
           moves = d.moves + (d.status <> %(status)s)::int, updated_at = now()
      FROM was
     WHERE d.dispute_id = was.dispute_id
       AND (d.status = ANY (%(before)s::text[])
            OR d.status = %(status)s
               AND (d.amount, d.reason, d.evidence_due_by)
                   IS DISTINCT FROM (%(amount)s::numeric, %(reason)s::text, %(evidence_due_by)s::timestamptz))
    RETURNING d.*
), stands AS (
    SELECT * FROM entered UNION ALL SELECT * FROM moved
), held AS (
    UPDATE payments AS p
       SET disputed_amount = p.disputed_amount + held.change
      FROM (SELECT stands.payment_id,
                   CASE WHEN stands.status NOT IN ('OPEN', 'LOST') THEN 0
                        WHEN stands.currency = payment.currency THEN stands.amount ELSE payment.amount END
                   - CASE WHEN was.status IS NULL OR was.status NOT IN ('OPEN', 'LOST') THEN 0
                          WHEN was.currency = payment.currency THEN was.amount ELSE payment.amount END AS change
              FROM stands CROSS JOIN payment LEFT JOIN was ON true) AS held
     WHERE p.payment_id = held.payment_id
    RETURNING p.*
), named AS (
    SELECT stands.*, CASE WHEN stands.status IN ('INQUIRY', 'OPEN') THEN 'opened' ELSE lower(stands.status) END AS event
      FROM stands LEFT JOIN was ON true
     WHERE stands.status IS DISTINCT FROM was.status
), event AS (
    -- By the clock, as in settle_refund. A dispute that is opened, and then over, needs no number in its events' ids.
    INSERT INTO outbox (event_id, type, subject, correlation_id, caller, data, created_at)
    SELECT named.gateway_id || '.' || named.event
           || CASE WHEN moves > 2 OR (moves = 2 AND named.event = 'opened') THEN '.' || moves ELSE '' END,
           'com.ridehailing.payment.dispute.' || named.event || '.v1', 'payments/' || held.payment_id,
           coalesce(held.correlation_id, held.reference), held.caller,
           (left(payment_json(ROW(held.*)::payments)::text, -1) || ',"dispute":'
            || row_to_json(ROW(named.gateway_id, named.status, named.amount, named.currency, named.reason,
                               to_char(named.evidence_due_by AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                               to_char(named.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                               to_char(named.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::dispute_told)::text
            || '}')::json,
           clock_timestamp()
      FROM named, held
    RETURNING event_id, type, subject, correlation_id, traceparent, caller, data::text AS data, created_at
)
SELECT payment.payment_id, payment.status AS payment_status, was.status AS was, coalesce(stands.status, was.status) AS status,
       %(currency)s <> payment.currency
       OR coalesce(held.disputed_amount, payment.disputed_amount)
          > payment.amount - payment.refunded_amount - payment.reserved_amount AS is_more_than_is_left,
       event.*
  FROM payment
  LEFT JOIN was ON true
  LEFT JOIN stands ON true
  LEFT JOIN held ON true
  LEFT JOIN event ON true
