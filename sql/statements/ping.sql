-- Is the database able to take payments: it answers, it is migrated, it may be written to (a standby may not), and no write of
-- this role has waited for a synchronous standby for more than five seconds.
SELECT current_setting('transaction_read_only') = 'off'
       AND NOT EXISTS (SELECT FROM pg_stat_activity
                        WHERE usename = current_user AND wait_event = 'SyncRep'
                          AND query_start < now() - interval '5 s') AS writable
  FROM (SELECT 1) AS one LEFT JOIN payments ON false
