-- What whoever is on call watches, all from partial indexes over what is still open, or should not have happened.
SELECT unsettled.count AS pending_count, unsettled.oldest AS pending_oldest,
       events.count AS undelivered_count, events.oldest AS undelivered_oldest,
       (SELECT count(*) FROM audit_log WHERE action = 'contradiction') AS contradiction_count
  FROM (SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
          FROM idempotency_keys WHERE answer_status IS NULL) AS unsettled,
       (SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
          FROM outbox WHERE delivered_at IS NULL) AS events
