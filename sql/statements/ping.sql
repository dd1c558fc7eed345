-- Is the database able to take payments: it answers, it is migrated, and it may be written to (a standby may not).
SELECT current_setting('transaction_read_only') = 'off' AS writable FROM (SELECT 1) AS one LEFT JOIN payments ON false
