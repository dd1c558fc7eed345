-- Objects of gateways that were rung for and are still to be read, and the age of the oldest ring, in seconds: read oldest first and no
-- further than `most_counted` (idx_gateway_rings_rung_at), so that a count that reaches it means "at least".
SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(rung_at)), 0)::float8 AS oldest
  FROM (SELECT rung_at FROM gateway_rings ORDER BY rung_at LIMIT %(most_counted)s) AS oldest
