"""Where a run happens: its device, and what running out of memory looks like."""

from __future__ import annotations

import torch

from archwright import errors


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" takes a CUDA GPU where there is one.

    Raises:
        InputError: the device is not known to torch or not there.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise errors.InputError(
            f'device must be "auto", "cpu", "cuda" or another device that is here, got {device!r}'
            f" ({str(error).splitlines()[0]})"
        ) from None
    return resolved


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device, or this machine, had no memory left.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
    True
    >>> is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    False
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return any(
        sign in text
        for sign in (
            "can't allocate memory",
            "not enough memory",
            "out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "std::bad_alloc",
        )
    )
