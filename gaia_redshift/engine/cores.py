"""How many cores this process may use. Imports nothing of the project."""

import os
from pathlib import Path

_QUOTA_FILES = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
"""Where a container reads its CPU quota and period: cgroup version 2, and version 1."""


def available_cores() -> int:
    """Return how many cores this process may use: its affinity, or a container's CPU quota if that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _QUOTA_FILES:
        try:
            quota, period = map(int, " ".join(Path(file).read_text(encoding="ascii") for file in files).split())
        except (OSError, ValueError):  # no such cgroup, or "max": no quota
            continue
        if quota > 0:  # version 1 writes -1 for none
            return max(1, min(cores, quota // period))
    return cores
