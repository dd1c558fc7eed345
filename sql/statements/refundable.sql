-- Why a refund was not claimed: the payment as it stands, one row or none. What is disputed is not left to be given back, and a bank may
-- dispute more than is left.
SELECT status, gateway, gateway_account, currency, disputed_amount AS disputed,
       greatest(amount - refunded_amount - reserved_amount - disputed_amount, 0)::numeric(12, 2) AS remaining
  FROM payments
 WHERE payment_id = %(payment_id)s
