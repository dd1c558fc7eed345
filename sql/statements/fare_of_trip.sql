-- The payment that collected, or is collecting, the computed fare of a trip: one row or none
-- (payments_one_fare_per_trip).
SELECT payment_id, status
  FROM payments
 WHERE trip_id = %(trip_id)s AND base_fare IS NOT NULL AND status IN ('PENDING', 'SUCCESS', 'REFUNDED')
