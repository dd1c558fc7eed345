-- The refunds of a payment, newest first, page by page (idx_payment_refunds_payment_id). A payment without any refund
-- gives one row with nothing in it; no payment, no row.
SELECT r.shown, r.created_at, r.refund_id
  FROM payments p
  LEFT JOIN LATERAL (
        SELECT refund_json(f, p)::text AS shown, f.created_at, f.refund_id
          FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND (f.created_at, f.refund_id) < (%(before)s, %(before_id)s)
         ORDER BY f.created_at DESC, f.refund_id DESC
         LIMIT %(limit)s) AS r ON true
 WHERE p.payment_id = %(payment_id)s
 ORDER BY r.created_at DESC, r.refund_id DESC
