-- What is owed to drivers, by driver and currency, from behind (`after`, `after_currency`) on. Of what is folded (ledger_by_driver_pkey) and
-- of the entries since the last fold (idx_totals_entries_written, some thousands) the first `limit` each: whoever is among the first of both
-- together is there in each that has him.
WITH folded AS (
    SELECT driver_id, currency, drivers_payable, cash_with_drivers
      FROM ledger_by_driver
     WHERE (driver_id, currency) > (%(after)s, %(after_currency)s)
     ORDER BY driver_id, currency LIMIT %(limit)s
), lately AS (
    SELECT driver_id, currency, sum(drivers_payable), sum(cash_with_drivers)
      FROM ledger_counted
     WHERE (driver_id, currency) > (%(after)s, %(after_currency)s)
     GROUP BY driver_id, currency
     ORDER BY driver_id, currency LIMIT %(limit)s
)
SELECT driver_id, currency, -sum(drivers_payable) AS earned, sum(cash_with_drivers) AS cash_held,
       -sum(drivers_payable) - sum(cash_with_drivers) AS owed
  FROM (SELECT * FROM folded UNION ALL SELECT * FROM lately) AS booked
 GROUP BY driver_id, currency
 ORDER BY driver_id, currency LIMIT %(limit)s
