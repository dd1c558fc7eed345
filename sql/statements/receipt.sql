-- The receipt of a charged payment, the payment as it stands now and the newest of its refunds that were given back or are on their
-- way (idx_payment_refunds_payment_id), all as of one moment: one row or none.
SELECT 'RCT-' || lpad(r.payment_id::text, greatest(10, length(r.payment_id::text)), '0') AS receipt_number, r.amount, r.currency,
       to_char(r.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS issued_at,
       payment_json(p)::text AS payment,
       ARRAY(SELECT row_to_json(shown)::text
               FROM (SELECT f.refund_id, f.amount AS refund_amount, f.status, f.reference,
                            to_char(f.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
                            to_char(f.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at
                       FROM payment_refunds f
                      WHERE f.payment_id = r.payment_id AND f.status IN ('REFUNDED', 'PENDING') AND f.source <> 'late_payment'
                      ORDER BY f.created_at DESC, f.refund_id DESC
                      LIMIT %(most_refunds)s) AS shown) AS refunds
  FROM payment_receipts r
  JOIN payments p USING (payment_id)
 WHERE payment_id = %(payment_id)s
