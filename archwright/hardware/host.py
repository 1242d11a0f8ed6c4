"""What this machine is, for reports: a measured figure means nothing without it."""

from __future__ import annotations

import functools
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch

from archwright.errors import InputError
from archwright.hardware.cores import n_cores


@dataclass(frozen=True, slots=True)
class Machine:
    """A description of the machine and the software that measured.

    Attributes:
        cpu: the processor's model name.
        n_cores: cores that this process may use.
        memory_bytes: main memory.
        system: operating system and architecture.
        python: Python's version.
        torch: torch's version.
        gpus: names of the CUDA devices.
    """

    cpu: str
    n_cores: int
    memory_bytes: int
    system: str
    python: str
    torch: str
    gpus: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The description as plain values for JSON."""
        return {**asdict(self), "gpus": list(self.gpus)}

    def __str__(self) -> str:
        gpus = f", {', '.join(self.gpus)}" if self.gpus else ""
        cores = f"{self.n_cores} core{'s' if self.n_cores > 1 else ''}"
        return (
            f"{self.cpu}, {cores}, {self.memory_bytes / 2**30:.0f} GiB{gpus}; {self.system}; "
            f"Python {self.python}, torch {self.torch}"
        )


@functools.cache
def machine() -> Machine:
    """Describe this machine.

    >>> machine().n_cores >= 1
    True
    """
    gpus: tuple[str, ...] = ()
    if torch.cuda.is_available():
        gpus = tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return Machine(
        cpu=_cpu_name(),
        n_cores=n_cores(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        gpus=gpus,
    )


def device_name(device: str | torch.device = "cpu") -> str:
    """The name of a device as its maker writes it.

    Args:
        device: `"cpu"`, `"cuda"` or `"cuda:1"`.

    Returns:
        The model name of the processor or of the graphics card.

    Raises:
        InputError: there is no such device.

    Example:
        >>> device_name() == machine().cpu
        True
    """
    try:
        where = torch.device(device)
        if where.type == "cuda":
            return torch.cuda.get_device_name(where)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"there is no device {device!r}: {error}") from error
    return _cpu_name() if where.type == "cpu" else str(where)


@functools.cache
def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"
