-- Keeps what was found of a page of movements, each in the row that it had before (primary key), enters fees, payouts and what was
-- given back elsewhere of late payments into the journal, once each (ledger_entries_once), and notes how far it came: one commit, by
-- whoever still has the reconciliation; no row where it is another's. A row that is as it was is only noted as seen by this run.
WITH held AS (
    UPDATE reconciliations
       SET phase = %(phase)s, place = %(place)s, working_until = now() + make_interval(secs => %(lease_seconds)s)
     WHERE reconciliation_id = %(reconciliation_id)s AND run = %(run)s AND working_until = %(working_until)s
    RETURNING reconciliation_id, run, gateway, working_until
), found AS (
    SELECT *
      FROM json_to_recordset(%(movements)s::json)
        AS m (movement text, kind text, at timestamptz, object_id text, charge_id text, reference text, payment_id bigint,
              refund_id bigint, currency text, their_amount numeric, our_amount numeric, their_status text, our_status text,
              fee numeric, verdict text, why text, booked_as text, booked_bank numeric, booked_fees numeric,
              booked_late numeric)
), kept AS (
    INSERT INTO reconciled_movements
           (reconciliation_id, movement, kind, at, object_id, charge_id, reference, payment_id, refund_id, currency, their_amount,
            our_amount, their_status, our_status, fee, verdict, why, run)
    SELECT held.reconciliation_id, movement, kind, at, object_id, charge_id, reference, payment_id, refund_id, currency, their_amount,
           our_amount, their_status, our_status, fee, verdict, why, held.run
      FROM held, found
     ORDER BY movement
        ON CONFLICT (reconciliation_id, movement) DO UPDATE
       SET kind = EXCLUDED.kind, at = EXCLUDED.at, object_id = EXCLUDED.object_id, charge_id = EXCLUDED.charge_id,
           reference = EXCLUDED.reference, payment_id = EXCLUDED.payment_id, refund_id = EXCLUDED.refund_id,
           currency = EXCLUDED.currency, their_amount = EXCLUDED.their_amount, our_amount = EXCLUDED.our_amount,
           their_status = EXCLUDED.their_status, our_status = EXCLUDED.our_status, fee = EXCLUDED.fee,
           verdict = EXCLUDED.verdict, why = EXCLUDED.why, run = EXCLUDED.run
), booked AS (
    INSERT INTO ledger_entries (payment_id, movement, currency, gateway, gateway_receivable, bank, fees, late_payments)
    SELECT payment_id, booked_as, currency, held.gateway, -bank - fees - late, bank, fees, late
      FROM held,
           (SELECT payment_id, booked_as, currency, booked_bank AS bank, booked_fees AS fees, 0 AS late FROM found
             WHERE booked_as IS NOT NULL
             UNION ALL
            SELECT payment_id, 'given back ' || movement, currency, 0, 0, booked_late FROM found
             WHERE booked_late <> 0) AS entries
     ORDER BY booked_as
        ON CONFLICT ON CONSTRAINT ledger_entries_once DO NOTHING
)
SELECT working_until FROM held
