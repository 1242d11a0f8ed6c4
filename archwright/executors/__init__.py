"""Where evaluations run: in this process, in worker processes, or in any futures executor."""

from archwright.executors.base import Adapted, Executor, InProcess
from archwright.executors.processes import Processes

__all__ = ["Adapted", "Executor", "InProcess", "Processes"]
