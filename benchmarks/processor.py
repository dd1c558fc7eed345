"""Processor time, user and system, of a process and all that it started."""

from collections.abc import Iterable

import psutil


def seconds(roots: Iterable[psutil.Process]) -> float:
    """What these processes and their children have used so far, also of children that ended and were waited for."""
    return sum(_of_tree(root) for root in roots)


def _of_tree(root: psutil.Process) -> float:
    used = root.cpu_times()
    spent = used.user + used.system + used.children_user + used.children_system
    for child in root.children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile, and counts among its parent's children
        spent += used.user + used.system + used.children_user + used.children_system
    return float(spent)
