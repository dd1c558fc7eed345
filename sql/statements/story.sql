-- How a charge and the newest of its refunds stand (idx_payment_refunds_payment_id), the charge first: a row for each, with the payment
-- in each; of a payment that is not there none. What is still asked for has its key, which was written by the same claim
-- (idx_idempotency_oldest). How many refunds there are is counted no further than `most_counted`.
WITH subject AS (
    (SELECT payment_id, NULL::bigint AS refund_id, reference, amount, status, failure_code, gateway_id, created_at,
            NULL::text AS source, late_charge_id IS NOT NULL AS paid_late
       FROM payments
      WHERE payment_id = %(payment_id)s)
     UNION ALL
    (SELECT payment_id, refund_id, reference, amount, status, failure_code, gateway_id, created_at, source, false
       FROM payment_refunds
      WHERE payment_id = %(payment_id)s
      ORDER BY created_at DESC, refund_id DESC
      LIMIT %(limit)s)
)
SELECT subject.refund_id, subject.reference, subject.amount, subject.status, subject.failure_code, subject.gateway_id,
       subject.source, subject.paid_late, key.asked, key.locked_at, key.ask_after,
       coalesce(key.locked_at IS NOT NULL AND key.ask_after > now(), false) AS under_way,
       payment_json(p)::text AS payment, p.currency, p.gateway, subject.created_at,
       CASE WHEN position('#' IN p.gateway_account) > 0 THEN split_part(p.gateway_account, '#', 1) END AS account,
       (SELECT count(*)
          FROM (SELECT FROM payment_refunds WHERE payment_id = %(payment_id)s
                 ORDER BY created_at DESC, refund_id DESC LIMIT %(most_counted)s) AS each) AS refunds
  FROM subject
  JOIN payments p ON p.payment_id = %(payment_id)s
  LEFT JOIN LATERAL (
        SELECT k.asked, k.locked_at, k.ask_after
          FROM idempotency_keys k
         WHERE subject.status = 'PENDING' AND num_nulls(k.answer_status) = 1 AND k.created_at = subject.created_at
           AND k.payment_id + 0 = subject.payment_id AND k.refund_id IS NOT DISTINCT FROM subject.refund_id
         LIMIT 1) AS key ON true
 ORDER BY subject.refund_id IS NOT NULL, subject.created_at DESC, subject.refund_id DESC
