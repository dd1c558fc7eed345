-- Totals for each currency: payments by status and method, sixteen rows at most for each; settled refunds, in one row that has
-- neither; and disputes by status, `DISPUTE OPEN` and so on, which have no method. A currency of which nothing is left has no rows.
-- Besides, in rows with an `account`, the journal's balance of each account as `amount`, nine for each currency that it has entries of.
-- Reads the entries since the last fold (idx_totals_entries_written), some thousands, however many payments there are.
(SELECT currency, status, method, NULL AS account, sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
   FROM totals_with_disputes
  GROUP BY currency, status, method
 HAVING sum(count) <> 0)
 UNION ALL
(SELECT currency, NULL, NULL, account, 0, amount, 0
   FROM (SELECT currency, sum(gateway_receivable) AS gateway_receivable, sum(cash_with_drivers) AS cash_with_drivers, sum(bank) AS bank,
                sum(revenue) AS revenue, sum(refunds) AS refunds, sum(disputes) AS disputes, sum(fees) AS fees,
                sum(drivers_payable) AS drivers_payable, sum(late_payments) AS late_payments
           FROM ledger_counted
          GROUP BY currency) AS balance
  CROSS JOIN LATERAL (VALUES ('gateway_receivable', gateway_receivable), ('cash_with_drivers', cash_with_drivers), ('bank', bank),
                             ('revenue', revenue), ('refunds', refunds), ('disputes', disputes), ('fees', fees),
                             ('drivers_payable', drivers_payable), ('late_payments', late_payments)) AS of (account, amount))
