-- What happened in a period, by its columns: net moves of payments by status; settled refunds, in rows without a status; and
-- net moves of disputes by theirs, `DISPUTE OPEN` and so on. `starts` are where columns begin, and where the last ends, each at a
-- quarter of an hour: so it reads the quarters of the period (figures_by_quarter_key), ten rows each for a currency, and the entries since the last fold (idx_totals_entries_written), some
-- thousands, however many payments there are.
SELECT currency, width_bucket(at, %(starts)s::timestamptz[]) - 1 AS place, status,
       sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM figures_with_disputes
 WHERE at >= %(from)s::timestamptz AND at < %(to)s::timestamptz
 GROUP BY currency, place, status
