-- Enters a charge that the books lost and its gateway has: the payment as PENDING with its old id, where that is free, and as it was
-- claimed; its key, free to be carried on by whoever settles payments; and an entry in the audit trail, in one commit
-- (`enter_lost_payment`, 0027_reconciliation). Gives the payment's id. Whoever has its reference, its key or the fare of its trip aborts
-- the whole, as in claim_payment.
SELECT enter_lost_payment(json_populate_record(NULL::payments, %(lost)s::text::json), %(key_hash)s, %(fingerprint)s,
                          %(actor)s, %(reason)s, %(gateway_said)s) AS payment_id
