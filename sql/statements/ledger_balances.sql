-- What each account holds now, and what it changed by on each of some days, for each currency and gateway. `place` is 1 for the first day,
-- and so on, one more than there are days for all that came after the last, and NULL for what is there now: so a day's balance is that less
-- what came after the day. `starts` are where days begin, and where the last ends, each at a quarter of an hour. One statement, one snapshot.
-- Reads the quarters since the first day (ledger_by_quarter_key), one row each for a currency and gateway, and the entries since the last
-- fold (idx_totals_entries_written), some thousands, however many payments there are.
SELECT currency, gateway, NULL::int AS place,
       sum(gateway_receivable) AS gateway_receivable, sum(cash_with_drivers) AS cash_with_drivers, sum(bank) AS bank,
       sum(revenue) AS revenue, sum(refunds) AS refunds, sum(disputes) AS disputes, sum(fees) AS fees,
       sum(drivers_payable) AS drivers_payable, sum(late_payments) AS late_payments
  FROM ledger_counted
 WHERE currency = coalesce(%(currency)s, currency)
 GROUP BY currency, gateway
 UNION ALL
SELECT currency, gateway, width_bucket(at, %(starts)s::timestamptz[]) AS place,
       sum(gateway_receivable), sum(cash_with_drivers), sum(bank), sum(revenue), sum(refunds), sum(disputes), sum(fees),
       sum(drivers_payable), sum(late_payments)
  FROM ledger_moves
 WHERE at >= %(from)s::timestamptz AND at < %(to)s::timestamptz AND currency = coalesce(%(currency)s, currency)
 GROUP BY currency, gateway, place
