-- What the functions' role may do in the database, by table and column, and nothing besides: it owns nothing, so it alters and drops
-- nothing, and no table can be emptied. sql/rights.py gives this and takes away what is not in it. A table or column that a migration
-- adds is named here, or the functions have no right to it.
--
-- Times that tell when something happened are no column that may be written: the database's clock writes them.

-- What was asked for is written once; what became of it is moved on, by the moves of 0009_moves alone. Nothing is deleted.
GRANT SELECT,
      INSERT (trip_id, amount, currency, method, status, reference, gateway, gateway_account, payment_token, payment_customer,
              base_fare, distance_km, rate_per_km, surge_multiplier, metadata, caller, correlation_id, customer_present,
              driver_id, commission, tells_key),
      UPDATE (status, failure_code, gateway_id, payment_token, payment_customer, reserved_amount, refunded_amount, updated_at,
              asked_ms, next_action, reversed_amount, disputed_amount, late_charge_id, failed_at)
   ON payments TO {role};
GRANT SELECT,
      INSERT (payment_id, amount, status, reference, reason, metadata, caller, correlation_id, source, charge_id, gateway_id,
              tells_key),
      UPDATE (status, failure_code, gateway_id, updated_at, asked_ms, reversed_at)
   ON payment_refunds TO {role};
GRANT SELECT, INSERT (payment_id, amount, currency) ON payment_receipts TO {role};
-- What the books lost is entered as it was, with who entered it.
GRANT EXECUTE ON FUNCTION enter_lost_payment TO {role};

-- Keys end: only such as are over (0021_callers).
GRANT SELECT, DELETE,
      INSERT (key_hash, fingerprint, payment_id, refund_id, correlation_id, traceparent, locked_at, asked, ask_after,
              answer_status, answer, expires_at),
      UPDATE (locked_at, asked, ask_after, search_place, answer_status, answer, expires_at, act_by)
   ON idempotency_keys TO {role};

-- Events end too. What one says is written once; how its delivery goes is noted, until it is delivered (0021_callers).
GRANT SELECT, DELETE,
      INSERT (event_id, type, subject, correlation_id, traceparent, caller, data, created_at),
      UPDATE (attempts, next_attempt_at, delivered_at, refusals, refusal, refused_at)
   ON outbox TO {role};

GRANT SELECT, INSERT (actor, action, payment_id, refund_id, outcome, reason, gateway_said, gateway_id, forced)
   ON audit_log TO {role};
GRANT SELECT,
      INSERT (payment_id, refund_id, asked, step, how, said, code, why, gateway_id, duration_ms, actor)
   ON gateway_askings TO {role};
GRANT SELECT,
      INSERT (payment_id, gateway, gateway_id, amount, currency, status, reason, evidence_due_by, opened_at, closed_at),
      UPDATE (amount, status, reason, evidence_due_by, closed_at, moves, updated_at)
   ON payment_disputes TO {role};

-- What a gateway said is only written to; what it rang for is put off, and ends when it was read.
GRANT SELECT, INSERT (gateway, source, event_id, type, object_id, charge_id, said) ON gateway_said TO {role};
GRANT SELECT, DELETE, INSERT (gateway, kind, object_id), UPDATE (rings, tries, ask_after, why) ON gateway_rings TO {role};
GRANT SELECT, INSERT (gateway, read_until, read_after), UPDATE (read_until, place, read_after) ON gateway_cursors TO {role};

-- The journal is only written to.
GRANT SELECT,
      INSERT (payment_id, movement, currency, gateway, driver_id, gateway_receivable, cash_with_drivers, bank, revenue, refunds,
              disputes, fees, drivers_payable, late_payments)
   ON ledger_entries TO {role};

-- What was compared with a gateway's books.
GRANT SELECT,
      INSERT (gateway, account, from_at, to_at, working_until),
      UPDATE (phase, place, run, working_until, begun_at, finished_at, movements, differences, not_yet_due)
   ON reconciliations TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON reconciled_movements TO {role};

-- Of which cell the database is: its owner said so.
GRANT SELECT ON cell TO {role};
GRANT EXECUTE ON FUNCTION in_cell TO {role};

-- What is worked out from the tables above, and kept by their triggers, which run with the rights of whoever changes a row.
GRANT SELECT, DELETE,
      INSERT (currency, status, method, count, amount, refunded, at, gateway, driver_id, gateway_receivable, cash_with_drivers, bank,
              revenue, refunds, disputes, fees, drivers_payable, late_payments)
   ON totals_entries TO {role};
GRANT SELECT, INSERT, UPDATE (count, amount, refunded) ON figures_by_quarter TO {role};
GRANT SELECT, INSERT,
      UPDATE (gateway_receivable, cash_with_drivers, bank, revenue, refunds, disputes, fees, drivers_payable, late_payments)
   ON ledger_by_quarter TO {role};
GRANT SELECT, INSERT, UPDATE (drivers_payable, cash_with_drivers) ON ledger_by_driver TO {role};
GRANT SELECT ON figures_since TO {role};
GRANT SELECT, UPDATE (since, noted_by, passed_over) ON totals_folded TO {role};
GRANT SELECT, UPDATE (requests, events, expired, delivered, noted_at, noted_by, clock) ON oldest_open TO {role};
GRANT SELECT, INSERT, UPDATE (count, seconds) ON cold_starts TO {role};

-- Views.
GRANT SELECT ON open_requests, open_from, askings, totals_counted, payment_totals, refund_totals, dispute_totals,
      figures_counted, totals_with_disputes, figures_with_disputes, ledger_counted, ledger_moves TO {role};
