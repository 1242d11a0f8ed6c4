"""How numbers are written for a reader: units from the metric's name, few digits, no noise."""

from __future__ import annotations

import math

TIMES = "\N{MULTIPLICATION SIGN}"

_NAMES = {
    "params": "parameters",
    "flops": "FLOPs",
    "macs": "MACs",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "roc_auc": "ROC AUC",
    "auc": "AUC",
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "mse": "MSE",
    "n_layers": "layers",
}
_SIZES = {
    "size_bytes": "file of weights",
    "memory_bytes": "memory in use",
    "activation_bytes": "largest activations",
}
_UNITS = {"ms": "ms", "s": "s", "seconds": "s", "bytes": "bytes", "mj": "mJ", "j": "J"}
_COUNTS = ("params", "flops", "macs")


def split_unit(metric: str) -> tuple[str, str]:
    """A metric's name for people, and its unit ("" when it has none).

    >>> split_unit("latency_ms"), split_unit("params"), split_unit("balanced_accuracy")
    (('latency', 'ms'), ('parameters', ''), ('balanced accuracy', ''))
    """
    if metric in _NAMES:
        return _NAMES[metric], ""
    if metric in _SIZES:
        return _SIZES[metric], "bytes"
    stem, _, last = metric.rpartition("_")
    if stem and last in _UNITS:
        return stem.replace("_", " "), _UNITS[last]
    return metric.replace("_", " "), ""


def label(metric: str) -> str:
    """A metric's name with its unit, for an axis or a table's head.

    >>> label("latency_ms"), label("flops")
    ('latency (ms)', 'FLOPs')
    """
    name, unit = split_unit(metric)
    return f"{name} ({unit})" if unit else name


def short(value: float) -> str:
    """At most four significant characters and a suffix k, M, G or T.

    >>> short(48_210), short(3.1e6), short(0.98765), short(12), short(0)
    ('48.2k', '3.1M', '0.9877', '12', '0')
    """
    if not math.isfinite(value):
        return str(value)
    magnitude = abs(value)
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,500 rounds to 1,000k in three digits: it belongs to the next suffix.
        if magnitude >= factor * 0.9995:
            return f"{value / factor:.3g}{suffix}"
    if magnitude >= 1 and float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.4g}"


def size(n_bytes: float) -> str:
    """Bytes in decimal units.

    >>> size(193_400), size(1_000_000), size(12)
    ('193 kB', '1 MB', '12 B')
    """
    for factor, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= factor * 0.9995:
            return f"{n_bytes / factor:.3g} {suffix}"
    return f"{n_bytes:.0f} B"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> [duration(s) for s in (0.0042, 0.35, 12.34, 242, 3_900, 90_000)]
    ['4.2 ms', '0.35 s', '12.3 s', '4 min 2 s', '1 h 5 min', '1 d 1 h']
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0.1:
        return f"{seconds * 1000:.2g} ms" if seconds > 0 else "0 s"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size_s, unit, smaller_s, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size_s:
            rest = (whole % size_s) // smaller_s
            return f"{whole // size_s} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")


def amount(metric: str, value: float) -> str:
    """A metric's value with its unit, as running text shows it.

    >>> amount("accuracy", 0.98765), amount("params", 48210), amount("latency_ms", 1.2349)
    ('0.9877', '48,210', '1.23 ms')
    >>> amount("size_bytes", 193_400), amount("flops", 3_120_000)
    ('193 kB', '3.12M')
    """
    if not math.isfinite(value):
        return str(value)
    unit = split_unit(metric)[1]
    if unit == "bytes":
        return size(value)
    if unit == "s":
        return duration(value)
    if unit:
        return f"{value:.3g} {unit}"
    if metric in _COUNTS or metric.startswith("n_"):
        return f"{value:,.0f}" if abs(value) < 1e6 and float(value).is_integer() else short(value)
    if abs(value) <= 1:
        return f"{value:.4f}"
    return f"{value:.4g}" if abs(value) < 1e4 else short(value)


def count(n: int | float) -> str:
    """A number of architectures: exact while readable, a power of ten beyond.

    >>> count(15_625), count(3.2e19), count(math.inf)
    ('15,625', '3.2e19', 'infinitely many')
    """
    if n == math.inf:
        return "infinitely many"
    if n < 1e9:
        return f"{n:,.0f}"
    # int.__format__ of a size beyond the largest float overflows; its digits do not.
    digits = str(int(n))
    mantissa, exponent = round(float(digits[:3]) / 100, 1), len(digits) - 1
    if mantissa >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
    return f"{mantissa:g}e{exponent}"
