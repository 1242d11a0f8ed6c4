"""How many cores there are to use; nothing here needs torch."""

from __future__ import annotations

import os
from pathlib import Path


def n_cores() -> int:
    """The number of CPU cores that this process may use, which a container may narrow.

    >>> n_cores() >= 1
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _cgroup_cores()
    return max(1, min(allowed or 1, quota or allowed or 1))


def _cgroup_cores() -> int | None:
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else max(1, round(int(limit) / int(period)))
    except (OSError, ValueError):
        return None
