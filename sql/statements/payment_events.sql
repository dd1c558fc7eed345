-- What happened to a payment's money, newest first, page by page: asked for, charged or declined, given back or not, come back, settled
-- by hand, contradicted by the gateway, adopted since it was paid late, lost and entered again, disputed. From the rows that are kept, so
-- it costs a charge nothing. Of a payment's refunds no more is read than a page (idx_payment_refunds_payment_id,
-- idx_payment_refunds_settled, idx_payment_refunds_reversed), of the audit trail and of disputes what they have of this payment
-- (idx_audit_log_payment_id, idx_payment_disputes_payment_id). A page without any gives one row with nothing in it; no payment, no row.
--
-- Of what happened in one commit, `place` tells the order: 0 asked for, 1 a refund asked for, 2 settled by hand, adopted or entered again,
-- 3 what became of it, 4 contradicted, 5 a refund that came back, 6 a dispute, 7 how it ended; each a step of 2^59, and above it the id
-- of the refund, entry or dispute. A refund is looked at for each of its events.
WITH payment AS (
    SELECT * FROM payments WHERE payment_id = %(payment_id)s
), happened AS (
    (SELECT created_at, 0::bigint AS place, NULL::bigint AS refund_id, NULL::bigint AS audit_id, NULL::bigint AS dispute_id,
            CASE WHEN gateway IS NULL THEN 'payment.imported' ELSE 'payment.requested' END AS type
       FROM payment)
     UNION ALL
    (SELECT issued_at, 3::bigint << 59, NULL, NULL, NULL, 'payment.succeeded'
       FROM payment_receipts
      WHERE payment_id = (SELECT payment_id FROM payment WHERE gateway IS NOT NULL))
     UNION ALL
    (SELECT coalesce(failed_at, updated_at), 3::bigint << 59, NULL, NULL, NULL, 'payment.failed'
       FROM payment
      WHERE (status = 'FAILED' OR failed_at IS NOT NULL) AND gateway IS NOT NULL)
     UNION ALL
    (SELECT created_at, (1::bigint << 59) + refund_id, refund_id, NULL, NULL, 'refund.requested'
       FROM payment_refunds
      WHERE payment_id = %(payment_id)s
        AND (created_at, refund_id) < (%(before)s::timestamptz, %(before_id)s::bigint - (1::bigint << 59))
      ORDER BY created_at DESC, refund_id DESC
      LIMIT %(limit)s)
     UNION ALL
    (SELECT updated_at, (3::bigint << 59) + refund_id, refund_id, NULL, NULL,
            CASE WHEN status = 'FAILED' THEN 'refund.failed'
                 WHEN source = 'late_payment' THEN 'payment.given_back' ELSE 'payment.refunded' END
       FROM payment_refunds
      WHERE payment_id = %(payment_id)s AND status <> 'PENDING'
        AND (updated_at, refund_id) < (%(before)s::timestamptz, %(before_id)s::bigint - (3::bigint << 59))
      ORDER BY updated_at DESC, refund_id DESC
      LIMIT %(limit)s)
     UNION ALL
    (SELECT reversed_at, (5::bigint << 59) + refund_id, refund_id, NULL, NULL, 'refund.reversed'
       FROM payment_refunds
      WHERE payment_id = %(payment_id)s AND status = 'REVERSED'
        AND (reversed_at, refund_id) < (%(before)s::timestamptz, %(before_id)s::bigint - (5::bigint << 59))
      ORDER BY reversed_at DESC, refund_id DESC
      LIMIT %(limit)s)
     UNION ALL
    (SELECT at, (CASE action WHEN 'contradiction' THEN 4::bigint ELSE 2 END << 59) + audit_id, refund_id, audit_id, NULL,
            CASE WHEN refund_id IS NULL THEN 'payment.' ELSE 'refund.' END
            || CASE action WHEN 'contradiction' THEN 'contradicted' WHEN 'adopt_payment' THEN 'adopted' WHEN 'enter_payment' THEN 'entered'
                           ELSE 'settled_by_hand' END
       FROM audit_log
      WHERE payment_id = %(payment_id)s AND action IN ('settle_payment', 'settle_refund', 'contradiction', 'adopt_payment',
                                                         'enter_payment'))
     UNION ALL
    -- One that was heard of when it was over was never told of as opened.
    (SELECT created_at, (6::bigint << 59) + dispute_id, NULL, NULL, dispute_id, 'payment.dispute.opened'
       FROM payment_disputes
      WHERE payment_id = %(payment_id)s AND (closed_at IS NULL OR moves > 1))
     UNION ALL
    (SELECT closed_at, (7::bigint << 59) + dispute_id, NULL, NULL, dispute_id, 'payment.dispute.' || lower(status)
       FROM payment_disputes
      WHERE payment_id = %(payment_id)s AND closed_at IS NOT NULL)
), page AS (
    SELECT * FROM happened
     WHERE (created_at, place) < (%(before)s::timestamptz, %(before_id)s::bigint)
     ORDER BY created_at DESC, place DESC
     LIMIT %(limit)s
)
SELECT page.created_at, page.place, shown.event::text AS shown
  FROM payment AS p
  LEFT JOIN page ON true
  LEFT JOIN payment_refunds AS r ON r.refund_id = page.refund_id
  LEFT JOIN audit_log AS entry ON entry.audit_id = page.audit_id
  LEFT JOIN payment_disputes AS d ON d.dispute_id = page.dispute_id
 CROSS JOIN LATERAL (
        SELECT row_to_json(event) AS event
          FROM (SELECT coalesce('AUD-' || page.audit_id,
                                -- As in follow_dispute.
                                d.gateway_id || '.' || split_part(page.type, '.', 3)
                                || CASE WHEN d.moves > 2 AND page.type <> 'payment.dispute.opened' THEN '.' || d.moves ELSE '' END,
                                coalesce(r.reference, p.reference) || '.' || split_part(page.type, '.', 2)) AS event_id,
                       page.type,
                       to_char(page.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
                       -- Whoever settled by hand, in the same commit; else whoever asked.
                       coalesce(entry.actor,
                                (SELECT actor FROM audit_log AS a
                                  WHERE a.payment_id = p.payment_id AND a.refund_id IS NOT DISTINCT FROM page.refund_id
                                    AND a.at = page.created_at AND a.action IN ('settle_payment', 'settle_refund') LIMIT 1),
                                CASE WHEN d.dispute_id IS NOT NULL THEN NULL
                                     WHEN page.refund_id IS NULL THEN p.caller ELSE r.caller END) AS actor,
                       CASE WHEN page.refund_id IS NULL THEN p.correlation_id ELSE r.correlation_id END AS correlation_id,
                       p.payment_id, page.refund_id, coalesce(d.amount, r.amount, p.amount) AS amount,
                       coalesce(d.currency, p.currency) AS currency,
                       CASE page.type WHEN 'payment.failed' THEN p.failure_code
                                      WHEN 'refund.failed' THEN r.failure_code WHEN 'refund.reversed' THEN r.failure_code END
                       AS failure_code,
                       CASE page.type WHEN 'refund.requested' THEN r.reason WHEN 'payment.dispute.opened' THEN d.reason ELSE entry.reason END
                       AS reason,
                       entry.gateway_said, entry.forced) AS event) AS shown
 ORDER BY page.created_at DESC, page.place DESC
