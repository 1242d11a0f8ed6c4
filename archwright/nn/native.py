"""The C functions of mixed cells: compiled at first use where there is a compiler.

Without one, or where what was compiled does not compute what torch computes, everything is done in
torch. The library is kept in the user's cache (`$XDG_CACHE_HOME/archwright`), by source, compiler
and processor. `ARCHWRIGHT_NATIVE=0` in the environment switches it off.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SOURCE = Path(__file__).with_name("native.c")
_FLAGS = ["-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-std=gnu11"]
_FLAGS += ["-fPIC", "-shared"]
# Channels that are computed at a time; the greatest that divides the channels is taken.
_LANES = {torch.float32: ("float", (16, 8, 4, 1)), torch.float64: ("double", (8, 4, 1))}
_SIGNATURES: dict[str, tuple[Any, str]] = {  # p: pointer, i: integer, d: double
    "depthwise": (ctypes.c_int, "pppppp"),
    "depthwise_weights": (ctypes.c_int, "pppppp"),
    "statistics": (None, "ppppppppddii"),
    "weigh": (None, "ppppiiii"),
    "dots": (None, "pppiii"),
    "blend": (None, "ppppppiii"),
    "through": (None, "ppppppiii"),
}
_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}


class Geometry(ctypes.Structure):
    """A depthwise convolution; see native.c."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "images", "height", "width", "channels", "out_height", "out_width", "kernel",
            "dilation", "stride", "pad", "stretch", "relu", "flip", "threads",
        )
    )  # fmt: skip


def function(name: str, like: Tensor, channels: int) -> Any:
    """The C function for a tensor's type and number of channels; None where there is none.

    Args:
        name: its name in native.c.
        like: the tensor.
        channels: number of channels.
    """
    return _function(name, like.dtype, channels) if like.device.type == "cpu" else None


@functools.cache
def _function(name: str, dtype: torch.dtype, channels: int) -> Any:
    library = _library() if dtype in _LANES else None
    if library is None:
        return None
    kind, lanes = _LANES[dtype]
    lane = next(n for n in lanes if channels % n == 0)
    return getattr(library, f"{name}_{kind}_{lane}")


def pointers(tensors: list[Tensor]) -> Any:
    """An array of the addresses of tensors."""
    return (ctypes.c_void_p * len(tensors))(*[t.data_ptr() for t in tensors])


@functools.cache
def _library() -> ctypes.CDLL | None:
    if os.environ.get("ARCHWRIGHT_NATIVE") == "0":
        return None
    try:
        path = _compiled()
        library = None if path is None else ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    if library is None:
        return None
    for name, (answer, arguments) in _SIGNATURES.items():
        for kind, lanes in _LANES.values():
            for lane in lanes:
                found = getattr(library, f"{name}_{kind}_{lane}")
                found.restype = answer
                found.argtypes = [_TYPES[argument] for argument in arguments]
    return library if _agrees(library) else None


def _compiled() -> Path | None:
    """The compiled library, from the cache or made now; None without a compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    source = SOURCE.read_bytes()
    known = "\n".join([compiler, *_FLAGS, platform.machine(), _processor()]).encode()
    name = f"native-{hashlib.sha256(source + known).hexdigest()[:24]}.so"
    folder = _folder()
    path = folder / name
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / name
            command = [compiler, *_FLAGS, str(SOURCE), "-o", str(made), "-lm"]
            # Without OpenMP it computes the same in one thread.
            for extra in (["-fopenmp"], []):
                done = subprocess.run(
                    command + extra, capture_output=True, check=False, timeout=300
                )
                if done.returncode == 0:
                    break
            else:
                return None
            os.replace(made, path)  # at once, as others may be making it too
    return path


def _processor() -> str:
    """What -march=native follows: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() + platform.node()
    return "\n".join(
        sorted({x for x in lines if x.startswith(("flags", "model name", "Features"))})
    )


def _folder() -> Path:
    """A folder that is the user's own, as what lies there is run."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "archwright"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        if own and os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return Path(_scratch().name)


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="archwright-")


def _agrees(library: ctypes.CDLL) -> bool:
    """Whether a convolution comes out as torch's."""
    x = torch.arange(2 * 8 * 7 * 6, dtype=torch.float32).remainder(11).reshape(2, 7, 6, 8)
    weights = torch.arange(25 * 8, dtype=torch.float32).remainder(7).reshape(8, 1, 5, 5)
    y = torch.empty(2, 7, 6, 8)
    geometry = Geometry(2, 7, 6, 8, 7, 6, 5, 2, 1, 4, 1, 0, 0, 1)
    failed = library.depthwise_float_8(
        x.data_ptr(), weights.data_ptr(), y.data_ptr(), ctypes.byref(geometry), None, None
    )
    expected = F.conv2d(x.permute(0, 3, 1, 2), weights, padding=4, dilation=2, groups=8)
    return not failed and torch.equal(y.permute(0, 3, 1, 2), expected)
