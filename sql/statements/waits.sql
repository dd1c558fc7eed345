-- Whether an event is still to be delivered.
SELECT 1 AS waits FROM outbox WHERE event_id = %(event_id)s AND delivered_at IS NULL AND refused_at IS NULL
