-- Whether an event is still to be delivered.
SELECT 1 AS waits FROM outbox WHERE event_id = %(event_id)s AND num_nonnulls(delivered_at, refused_at) = 0
