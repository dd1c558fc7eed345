-- Gives a lease back, only if it is still the one that was taken, and says when a sweep may ask again. Keeps what the
-- gateway calls the charge or refund, and where a search for it goes on, as far as they are known.
WITH released AS (
    UPDATE idempotency_keys
       SET locked_at = NULL, ask_after = now() + make_interval(secs => %(pause)s),
           search_place = coalesce(%(search_cursor)s, search_place)
     WHERE key_hash = %(key_hash)s AND locked_at = %(locked_at)s AND num_nonnulls(answer_status) = 0
    RETURNING payment_id, refund_id
), named_charge AS (
    UPDATE payments SET gateway_id = %(gateway_id)s
      FROM released
     WHERE released.refund_id IS NULL AND payments.payment_id = released.payment_id
       AND payments.status || '' = 'PENDING' AND payments.gateway_id IS DISTINCT FROM %(gateway_id)s
       AND %(gateway_id)s::text IS NOT NULL
), named_refund AS (
    UPDATE payment_refunds SET gateway_id = %(gateway_id)s
      FROM released
     WHERE payment_refunds.refund_id = released.refund_id
       AND payment_refunds.status = 'PENDING' AND payment_refunds.gateway_id IS DISTINCT FROM %(gateway_id)s
       AND %(gateway_id)s::text IS NOT NULL
)
SELECT payment_id FROM released
