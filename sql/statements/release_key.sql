-- Gives a lease back, only if it is still the one that was taken, and says when a sweep may ask again: no later than when the
-- customer is waited for no longer. Keeps what the gateway calls the charge or refund, where a search for it goes on, and what the
-- customer is to do until when, as far as they are known. Gives the payment as it is shown from now on, where that changed.
WITH released AS (
    UPDATE idempotency_keys
       SET locked_at = NULL, search_place = coalesce(%(search_cursor)s, search_place), act_by = coalesce(act_by, %(act_by)s),
           ask_after = least(now() + make_interval(secs => %(pause)s), nullif(greatest(act_by, %(act_by)s, now()), now()))
     WHERE key_hash = %(key_hash)s AND locked_at = %(locked_at)s AND num_nonnulls(answer_status) = 0
    RETURNING payment_id, refund_id
), named_charge AS (
    UPDATE payments
       SET gateway_id = coalesce(%(gateway_id)s, gateway_id), next_action = coalesce(%(next_action)s::text::json, next_action)
      FROM released
     WHERE released.refund_id IS NULL AND payments.payment_id = released.payment_id AND payments.status || '' = 'PENDING'
       AND (payments.gateway_id IS DISTINCT FROM coalesce(%(gateway_id)s, payments.gateway_id)
            OR payments.next_action::text IS DISTINCT FROM coalesce(%(next_action)s::text, payments.next_action::text))
    RETURNING payment_to_act_on_json(payments)::text AS shown
), named_refund AS (
    UPDATE payment_refunds SET gateway_id = %(gateway_id)s
      FROM released
     WHERE payment_refunds.refund_id = released.refund_id
       AND payment_refunds.status = 'PENDING' AND payment_refunds.gateway_id IS DISTINCT FROM %(gateway_id)s
       AND %(gateway_id)s::text IS NOT NULL
)
SELECT released.payment_id, (SELECT shown FROM named_charge) AS shown FROM released
