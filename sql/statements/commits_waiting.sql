-- Are writes of this role committed here and waiting for the synchronous standby, which is not there?
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = current_user AND wait_event = 'SyncRep') AS waiting
