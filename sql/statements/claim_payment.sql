-- The claim of a charge: the key with its lease, and the payment as PENDING with all that the gateway is asked with.
-- One commit. A race for the key (primary key) or for the trip's fare (payments_one_fare_per_trip) aborts the whole.
-- Gives what is decided here; with what was claimed it makes the lease, as `open_requests` shows it from then on.
WITH payment AS (
    INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, gateway_account,
                          payment_token, payment_customer, customer_present,
                          base_fare, distance_km, rate_per_km, surge_multiplier, driver_id, commission, tells_key,
                          metadata, caller, correlation_id)
    VALUES (%(trip_id)s, %(amount)s, %(currency)s, %(method)s, 'PENDING', %(reference)s, %(gateway)s, %(gateway_account)s,
            %(payment_token)s, %(payment_customer)s, %(customer_present)s,
            %(base_fare)s, %(distance_km)s, %(rate_per_km)s, %(surge_multiplier)s, %(driver_id)s, %(commission)s, true,
            %(metadata)s, %(caller)s, %(correlation_id)s)
    RETURNING payment_id, amount, gateway_id, created_at, 0::float8 AS age, NULL::float8 AS waits, NULL AS source, tells_key,
              payment_json(payments)::text AS shown
), claimed AS (
    INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, traceparent,
                                  locked_at, asked, ask_after)
    SELECT %(key_hash)s, %(fingerprint)s, payment_id, %(correlation_id)s, %(traceparent)s,
           now(), 1, now() + make_interval(secs => %(lease_seconds)s)
      FROM payment
    RETURNING refund_id, locked_at, asked, search_place AS search_cursor
)
SELECT * FROM payment, claimed
