-- Are writes of this role committed here and waiting for the synchronous standby, which is not there? While it is there, each
-- waits for it too, for milliseconds, and at any moment some do: those of less than a second do not count.
SELECT EXISTS (SELECT FROM pg_stat_activity
                WHERE usename = current_user AND wait_event = 'SyncRep'
                  AND query_start < now() - interval '1 s') AS waiting
