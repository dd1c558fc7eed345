-- Of the journal's entries in a time, so many from a place on (primary key), those of a gateway's account that no movement of its books is,
-- in any reconciliation (idx_reconciled_movements_payment_id): each as the gateway would know it, with what the row says; `rung`: it is still
-- to be read there (gateway_rings_pkey). In every row
-- the place of the last entry that was looked at; that alone where each was seen; no row where there are no more.
WITH page AS (
    SELECT at, entry_id, payment_id, movement, currency, gateway, gateway_receivable
      FROM ledger_entries
     WHERE at >= %(from_at)s AND at < %(to_at)s AND (at, entry_id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
     ORDER BY at, entry_id
     LIMIT %(limit)s
), ours AS (
    SELECT page.at, page.entry_id, page.payment_id, page.currency, page.gateway_receivable, p.reference AS payment_reference,
           r.refund_id, r.reference AS refund_reference,
           CASE WHEN r.refund_id IS NULL AND d.gateway_id IS NULL OR page.movement LIKE 'late charge %%' THEN 'charge'
                WHEN page.movement LIKE 'refund %%' THEN 'refund'
                WHEN page.movement LIKE 'reversal %%' THEN 'refund_failure' ELSE 'dispute' END AS kind,
           CASE WHEN d.gateway_id IS NOT NULL THEN d.gateway_id
                WHEN page.movement LIKE 'late charge %%' THEN r.charge_id
                WHEN r.refund_id IS NOT NULL THEN r.gateway_id ELSE p.gateway_id END AS object_id,
           coalesce(r.charge_id, p.gateway_id) AS charge_id,
           coalesce(d.status, CASE WHEN page.movement NOT LIKE 'late charge %%' THEN r.status END, p.status) AS status
      FROM page
      JOIN payments p ON p.payment_id = page.payment_id
      LEFT JOIN payment_refunds r
             ON r.refund_id = substring(page.movement FROM '^(?:refund|reversal|late charge) ([0-9]{1,18})$')::bigint
      LEFT JOIN payment_disputes d
             ON d.gateway = page.gateway AND d.gateway_id = substring(page.movement FROM '^dispute (.+) [0-9]+$')
     WHERE page.gateway = %(gateway)s AND page.gateway_receivable <> 0 AND page.movement !~ '^(fee|payout|opening)'
       AND split_part(p.gateway_account, '#', 1) = %(account)s
), not_seen AS (
    SELECT at, entry_id, payment_id, currency, gateway_receivable AS amount, kind, object_id, charge_id, status,
           CASE WHEN kind IN ('refund', 'refund_failure') THEN refund_id END AS refund_id,
           CASE WHEN kind IN ('refund', 'refund_failure') THEN refund_reference ELSE payment_reference END AS reference,
           EXISTS (SELECT FROM gateway_rings AS g
                    WHERE g.gateway = %(gateway)s AND g.kind = split_part(ours.kind, '_', 1) AND g.object_id = ours.object_id) AS rung
      FROM ours
     WHERE NOT EXISTS (SELECT FROM reconciled_movements AS m
                        WHERE m.payment_id = ours.payment_id
                          AND m.refund_id IS NOT DISTINCT FROM CASE WHEN ours.kind IN ('refund', 'refund_failure') THEN ours.refund_id END
                          AND sign(m.their_amount) = sign(ours.gateway_receivable)
                          AND coalesce(m.object_id = ours.object_id, true)
                          AND (m.reconciliation_id <> %(reconciliation_id)s OR m.run = %(run)s))
)
SELECT last.at AS last_at, last.entry_id AS last_id, not_seen.*
  FROM (SELECT at, entry_id FROM page ORDER BY at DESC, entry_id DESC LIMIT 1) AS last
  LEFT JOIN not_seen ON true
