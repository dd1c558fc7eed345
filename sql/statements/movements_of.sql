-- The movements of a reconciliation in the order of their names, so many from one on (primary key).
SELECT movement, kind, at, object_id, charge_id, reference, payment_id, refund_id, currency, their_amount, our_amount, their_status,
       our_status, fee, verdict, why
  FROM reconciled_movements
 WHERE reconciliation_id = %(reconciliation_id)s AND movement > %(after)s
 ORDER BY movement
 LIMIT %(limit)s
