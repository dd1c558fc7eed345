-- The unsettled request that an operator names: by a payment's id, or by a payment's or refund's reference.
SELECT key_hash
  FROM open_requests
 WHERE reference = %(which)s OR (refund_id IS NULL AND payment_id::text = %(which)s)
