-- What is known of an idempotency key: one row or none, by its primary key. Writes nothing.
SELECT fingerprint, payment_id, refund_id, answer_status, answer::text AS answer, correlation_id,
       coalesce(locked_at > now() - make_interval(secs => %(lease_seconds)s), false) AS leased
  FROM idempotency_keys
 WHERE key_hash = %(key_hash)s
