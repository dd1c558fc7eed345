-- When the tables that change most are vacuumed and analysed, by what 500 payments a second leave behind. By default that is when
-- a fifth of a table is dead: of a day's 43 million keys 8.6 million, and of a year's payments more than ever come.
--
--   table             rows                a second it leaves dead                        vacuumed at a day's or year's size
--   idempotency_keys  43 million, a day   1,000: one by its settling, one by its end     every 9 minutes (0.01, and 100,000)
--   outbox            43 million a day    500 to 1,000: its delivery, perhaps its end    every 9 to 18 minutes (0.01, and 100,000)
--   payments          43 million a day    500: its settling                              0.01: every 20 minutes after a day's
--                                                                                        payments, every 5 days after a year's
--   totals_entries    some thousands      1,500                                          every 70 seconds (0, and 100,000)
--
-- A vacuum reads the pages that changed and every index as a whole: of 43 million keys some 6 GB, a minute or two at the
-- default cost limit (PostgreSQL 12 and later: 2 ms of pause for each 200 of cost), which is a small part of nine minutes. Twice
-- the pause's cost for the two that must keep pace. Rows that are only inserted make a vacuum due as well, so that listings read
-- the index alone: the same shares.
--
-- Statistics change their minds about nothing here: every statement's plan holds without them (tests/sql/test_pages.py).
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
