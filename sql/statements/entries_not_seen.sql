-- Of the journal's entries in a time, so many from a place on (primary key), those of a gateway's account that no movement of its books is,
-- in any reconciliation (idx_reconciled_movements_payment_id): each as the gateway would know it, with what the row says; `rung`: it is
-- still to be read there (gateway_rings_pkey). What was booked since this run began is left to the next: its list may have been read before.
-- In every row the place of the last entry that was looked at; that alone where each was seen; no row where there are no more. What
-- belongs to an entry is found by keys, one by one, however many are expected.
WITH page AS (
    SELECT at, entry_id, payment_id, movement, currency, gateway, gateway_receivable
      FROM ledger_entries
     WHERE at >= %(from_at)s
       AND at < least(%(to_at)s, (SELECT begun_at FROM reconciliations WHERE reconciliation_id = %(reconciliation_id)s))
       AND (at, entry_id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
     ORDER BY at, entry_id
     LIMIT %(limit)s
), ours AS (
    SELECT page.at, page.entry_id, page.payment_id, page.currency, page.gateway_receivable, p.reference AS payment_reference,
           r.refund_id, r.reference AS refund_reference,
           CASE WHEN d.gateway_id IS NOT NULL THEN 'dispute'
                WHEN page.movement LIKE 'refund %%' THEN 'refund'
                WHEN page.movement LIKE 'reversal %%' THEN 'refund_failure' ELSE 'charge' END AS kind,
           CASE WHEN d.gateway_id IS NOT NULL THEN d.gateway_id
                WHEN page.movement LIKE 'late charge %%' THEN r.charge_id
                WHEN r.refund_id IS NOT NULL THEN r.gateway_id ELSE p.gateway_id END AS object_id,
           coalesce(r.charge_id, p.gateway_id) AS charge_id,
           CASE WHEN d.gateway_id IS NOT NULL THEN d.opened_at
                WHEN page.movement LIKE 'late charge %%' OR r.refund_id IS NULL THEN p.created_at
                WHEN r.source <> 'gateway' THEN r.created_at END AS claimed_at,
           coalesce(d.status, CASE WHEN page.movement NOT LIKE 'late charge %%' THEN r.status END, p.status) AS status
      FROM page
     CROSS JOIN LATERAL (SELECT * FROM payments WHERE payment_id = page.payment_id LIMIT 1) AS p
      LEFT JOIN LATERAL (SELECT * FROM payment_refunds
                          WHERE refund_id = substring(page.movement FROM '^(?:refund|reversal|late charge) ([0-9]{1,18})$')::bigint
                          LIMIT 1) AS r ON true
      LEFT JOIN LATERAL (SELECT * FROM payment_disputes
                          WHERE gateway = page.gateway AND gateway_id = substring(page.movement FROM '^dispute (.+) [0-9]+$')
                          LIMIT 1) AS d ON true
     WHERE page.gateway = %(gateway)s AND page.gateway_receivable <> 0 AND page.movement !~ '^(fee|payout|given back) '
       AND split_part(p.gateway_account, '#', 1) = %(account)s
), not_seen AS (
    SELECT ours.at, entry_id, ours.payment_id, ours.currency, gateway_receivable AS amount, kind, ours.object_id, ours.charge_id,
           status, claimed_at, of.refund_id,
           CASE WHEN of.refund_id IS NULL THEN payment_reference ELSE refund_reference END AS reference,
           EXISTS (SELECT FROM gateway_rings AS g
                    WHERE g.gateway = %(gateway)s AND g.kind = split_part(ours.kind, '_', 1) AND g.object_id = ours.object_id) AS rung
      FROM ours
     CROSS JOIN LATERAL (SELECT CASE WHEN kind IN ('refund', 'refund_failure') THEN ours.refund_id END AS refund_id) AS of
      LEFT JOIN LATERAL (SELECT true AS is_there FROM reconciled_movements AS m
                          WHERE m.payment_id = ours.payment_id
                            AND m.refund_id IS NOT DISTINCT FROM of.refund_id
                            AND sign(m.their_amount) = sign(ours.gateway_receivable)
                            AND coalesce(m.object_id = ours.object_id, true)
                            AND (m.reconciliation_id <> %(reconciliation_id)s OR m.run = %(run)s)
                          LIMIT 1) AS seen ON true
     WHERE seen.is_there IS NULL
)
SELECT last.at AS last_at, last.entry_id AS last_id, not_seen.*
  FROM (SELECT at, entry_id FROM page ORDER BY at DESC, entry_id DESC LIMIT 1) AS last
  LEFT JOIN not_seen ON true
