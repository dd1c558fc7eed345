-- Why a refund was not claimed: the payment as it stands, one row or none.
SELECT status, gateway, gateway_account, currency, amount - refunded_amount - reserved_amount AS remaining
  FROM payments
 WHERE payment_id = %(payment_id)s
