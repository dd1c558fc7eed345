-- The refunds of a payment, newest first, page by page (idx_payment_refunds_payment_id). A payment without any refund
-- gives one row with nothing in it; no payment, no row.
SELECT refund_json(r, p)::text AS shown, r.created_at, r.refund_id
  FROM payments p
  LEFT JOIN payment_refunds r ON r.payment_id = p.payment_id
       AND (r.created_at, r.refund_id) < (%(before)s, %(before_id)s)
 WHERE p.payment_id = %(payment_id)s
 ORDER BY r.created_at DESC, r.refund_id DESC
 LIMIT %(limit)s
