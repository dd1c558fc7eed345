-- When the tables that change most are vacuumed: by what 500 payments a second leave behind, where by default a fifth of a table
-- has to be dead first: of a day's 43 million keys 8.6 million, which is more than two hours' worth.
--
--   table             a second it leaves dead                      vacuumed, at a day's 43 million rows
--   idempotency_keys  1,000: a key by its settling and by its end  every 9 minutes  (0.01 of them, and 100,000)
--   outbox            1,000: an event by its delivery and its end  every 9 minutes  (the same)
--   payments          500: a payment by its settling               every 18 minutes (the same)
--   totals_entries    1,500: some thousands at a time              every 70 seconds (100,000)
--
-- Each vacuum reads every index as a whole, so that a much smaller share would have it begin again as soon as it ends. Of keys and
-- events it may
-- cost five times the default between its pauses, to end in a fifth of the time. Rows that were only inserted make one due by the
-- same shares, so that a listing reads the index alone.
ALTER TABLE idempotency_keys SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100000,
    autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_vacuum_cost_limit = 1000
);
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100000,
    autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_vacuum_cost_limit = 1000
);
ALTER TABLE payments SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100000,
    autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000
);
ALTER TABLE payment_receipts SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000);
ALTER TABLE totals_entries SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_insert_threshold = -1
);
