"""What was read of architectures and fitted to them before."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

K = TypeVar("K")
T = TypeVar("T")


class Remembered(dict[K, T]):
    """What a function gives for each key, remembered; all is forgotten when there is too much.

    Args:
        make: what is known of a key.
        most: how many are remembered.

    >>> lengths = Remembered(len)
    >>> lengths["abc"], lengths
    (3, {'abc': 3})
    """

    def __init__(self, make: Callable[[K], T], *, most: int = 20_000) -> None:
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> T:
        if len(self) >= self._most:
            self.clear()
        found = self[key] = self._make(key)
        return found


class Memo(Generic[T]):
    """The latest results of a function, by all that determines them.

    A search that is replayed, or asked twice, need not fit its models again. As a result depends on
    its key alone, nothing is remembered that the arguments do not determine.

    Args:
        most: how many results are kept.

    >>> memo: Memo[float] = Memo(2)
    >>> memo.of([np.ones(3)], "sum", make=lambda: 3.0), memo.of([np.ones(3)], "sum", make=lambda: 0)
    (3.0, 3.0)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[bytes, T] = OrderedDict()

    def of(
        self, arrays: list[npt.NDArray[np.generic]], *options: object, make: Callable[[], T]
    ) -> T:
        """What `make` gave for equal arrays and options, or gives now.

        Args:
            arrays: told apart by shape and content.
            *options: told apart by how they are written.
            make: makes the result.
        """
        digest = hashlib.blake2b(repr((options, [a.shape for a in arrays])).encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        key = digest.digest()
        if key in self._known:
            self._known.move_to_end(key)
        else:
            self._known[key] = make()
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return self._known[key]
