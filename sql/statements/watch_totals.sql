-- What whoever is on call watches, all from partial indexes over what is still open; and the settled refunds.
SELECT refunds.count AS refund_count, refunds.amount AS refund_amount,
       unsettled.count AS pending_count, unsettled.oldest AS pending_oldest,
       events.count AS undelivered_count, events.oldest AS undelivered_oldest
  FROM (SELECT coalesce(sum(count), 0)::bigint AS count, coalesce(sum(amount), 0) AS amount FROM refund_totals) AS refunds,
       (SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
          FROM idempotency_keys WHERE answer_status IS NULL) AS unsettled,
       (SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
          FROM outbox WHERE delivered_at IS NULL) AS events
