"""Processes that are ended are gone, with all that they had."""

import subprocess
import sys

import psutil

from local.ending import kill
from local.ports import free, pick

LISTENS = """
import socket, sys, threading, time
kept = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for _ in range(60):
    threading.Thread(target=time.sleep, args=(60,)).start()
much = bytearray(300_000_000)
print("up", flush=True)
"""


def test_the_port_of_a_process_of_many_threads_is_free_once_it_was_killed() -> None:
    """Such a one is a zombie before the last of its threads has ended."""
    (port,) = pick(1)
    with subprocess.Popen([sys.executable, "-c", LISTENS, str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        kill([psutil.Process(process.pid)])
        assert free(port)
