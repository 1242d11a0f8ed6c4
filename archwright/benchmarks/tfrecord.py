"""TFRecord files and the messages of NAS-Bench-101, read without TensorFlow or protobuf.

A TFRecord file is a row of records: length (8 bytes), its checksum (4), the content, its checksum
(4). Of NAS-Bench-101 each content is a JSON list: hash, epochs, adjacency as a text of 0 and 1,
operations separated by commas, and a `ModelMetrics` message in base64. Checksums are not checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError

_LONGEST = 1 << 26
Record = tuple[str, int, npt.NDArray[np.uint8], list[int], bytes]
_LABELS = {
    "input": -1,
    "output": -2,
    "conv3x3-bn-relu": 0,
    "conv1x1-bn-relu": 1,
    "maxpool3x3": 2,
}


def records(file: Path) -> Iterator[bytes]:
    """The contents of a TFRecord file, in order.

    Raises:
        DataError: the file ends within a record, or is no such file.
    """
    with open(file, "rb") as stream:
        while head := stream.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else _LONGEST + 1
            if length > _LONGEST:
                raise DataError(f"{str(file)!r} is no TFRecord file, or is damaged")
            content = stream.read(length + 4)
            if len(content) < length + 4:
                raise DataError(f"{str(file)!r} ends within a record: it was not copied whole")
            yield content[:length]


def nasbench_rows(file: Path) -> Iterator[Record]:
    """Hash, epochs, adjacency, operations and the message of metrics of each record.

    Raises:
        DataError: a record is not one of NAS-Bench-101.
    """
    for i, content in enumerate(records(file)):
        try:
            key, epochs, matrix, names, raw = json.loads(content)
            ops = [_LABELS[name] for name in names.split(",")]
            n = math.isqrt(len(matrix))
            if n * n != len(matrix) or n != len(ops) or n > 7:
                raise ValueError(f"{len(matrix)} entries of adjacency, {len(ops)} operations")
            cells = np.frombuffer(matrix.encode(), np.uint8).reshape(n, n) - ord("0")
            yield key, int(epochs), cells, ops, base64.b64decode(raw)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise DataError(
                f"{str(file)!r}: record {i} is none of NAS-Bench-101: {error!r}"
            ) from None


def model_metrics(message: bytes) -> tuple[float, float, float]:
    """Training seconds, validation and test accuracy of the last evaluation in a `ModelMetrics`.

    Field 1 of the message holds the evaluations; of each, field 2 is the training time in seconds,
    4 the validation and 5 the test accuracy.

    Raises:
        DataError: it is no such message.
    """
    try:
        evaluations = [value for field, value in _fields(message) if field == 1]
        last = dict(_fields(evaluations[-1]))
        return float(last[2]), float(last[4]), float(last[5])
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise DataError(f"not a message of NAS-Bench-101's metrics: {error!r}") from None


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: whole numbers, doubles and bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value: Any
            value, at = _varint(message, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", message, at)[0], at + 8
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind == 5:
            value, at = struct.unpack_from("<f", message, at)[0], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
