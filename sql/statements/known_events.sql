-- Which of these events of a gateway's are kept already (gateway_said_once).
SELECT event_id FROM gateway_said WHERE gateway = %(gateway)s AND event_id = ANY (%(event_ids)s)
