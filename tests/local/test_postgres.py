"""The embedded server as the tests and `make run` use it."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from local.ending import runs
from local.ports import pick
from local.postgres import FAST, Postgres
from sql.owner import connect


def test_what_was_committed_survives_a_kill_and_a_restart() -> None:
    with Postgres.temporary(fsync=True, work_mem="5MB") as server:
        with closing(connect(server.environment())) as owner, owner.cursor() as cursor:
            cursor.execute("SHOW work_mem")
            assert cursor.fetchone() == ("5MB",)
            cursor.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        server.kill()
        assert server.processes() == []
        server.start()
        server.restart()
        with closing(connect(server.environment())) as owner, owner.cursor() as cursor:
            cursor.execute("SELECT seven FROM kept")
            assert cursor.fetchone() == (7,)
        folder, processes = server.folder, server.processes()
        accounts = _accounts(processes)
        assert accounts
        assert "root" not in accounts
        assert stat.S_IMODE((folder / "postgres-password").stat().st_mode) == 0o600
    assert not folder.exists()
    assert not any(runs(process) for process in processes)


def _accounts(processes: Iterable[psutil.Process]) -> set[str]:
    """Whose they are. One that ended since, as the worker that a new server starts for its statistics does, is nobody's."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found.add(process.username())
    return found


def test_a_kill_leaves_nobody_who_logged_in_while_the_others_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is left may wait for ever for what the others held; this one stands still, so as to stay."""
    with Postgres.temporary() as server:
        count, late = server.processes, []

        def count_slowly() -> list[psutil.Process]:
            found = count()
            if not late:
                late.append(connect(server.environment()))
                psutil.Process(late[0].info.backend_pid).suspend()
            return found

        monkeypatch.setattr(server, "processes", count_slowly)
        server.kill()
        assert count() == []
        late[0].close()


def test_a_lock_file_with_the_number_of_a_living_process_does_not_stop_a_start() -> None:
    with Postgres.temporary() as server:
        server.kill()
        (server.data / "postmaster.pid").write_text(f"{os.getppid()}\n{server.data}\n")
        server.start()


def test_a_checkout_that_only_its_owner_can_reach() -> None:
    """Root's is closed to PostgreSQL's account, so the data goes elsewhere; anybody else runs PostgreSQL as oneself."""
    closed = Path(tempfile.mkdtemp())
    server = Postgres(closed / "deep", pick(1)[0], FAST)
    try:
        assert server.create(sync=False)
        assert not server.create()
        server.start()
        server.stop()
        assert (closed / "deep" / "postgres").is_symlink() == (os.geteuid() == 0)
    finally:
        server.kill()
        shutil.rmtree(server.data.parent)
        shutil.rmtree(closed)
