-- Where a gateway and the books differ, as a reconciliation found it, in the order of the movements' names, so many from one on
-- (idx_reconciled_movements_differ).
SELECT movement, kind, at, object_id, charge_id, reference, payment_id, refund_id, currency, their_amount, our_amount, their_status,
       our_status, fee, verdict, why
  FROM reconciled_movements
 WHERE reconciliation_id = %(reconciliation_id)s AND movement > %(after)s AND verdict NOT IN ('matched', 'not_yet_due')
 ORDER BY movement
 LIMIT %(limit)s
