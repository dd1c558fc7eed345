-- The receipt of a charged payment, and the payment as it stands now: one row or none.
SELECT 'RCT-' || lpad(r.payment_id::text, greatest(10, length(r.payment_id::text)), '0') AS receipt_number, r.amount, r.currency,
       to_char(r.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS issued_at,
       payment_json(p)::text AS payment
  FROM payment_receipts r
  JOIN payments p USING (payment_id)
 WHERE payment_id = %(payment_id)s
