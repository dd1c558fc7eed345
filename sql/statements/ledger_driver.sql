-- What is owed to one driver, by currency: as ledger_drivers.
SELECT driver_id, currency, -sum(drivers_payable) AS earned, sum(cash_with_drivers) AS cash_held,
       -sum(drivers_payable) - sum(cash_with_drivers) AS owed
  FROM (SELECT driver_id, currency, drivers_payable, cash_with_drivers FROM ledger_by_driver WHERE driver_id = %(driver_id)s
         UNION ALL
        SELECT driver_id, currency, drivers_payable, cash_with_drivers FROM ledger_counted WHERE driver_id = %(driver_id)s) AS booked
 GROUP BY driver_id, currency
 ORDER BY currency
