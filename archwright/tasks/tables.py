"""Tables from files: separators, headers, encodings and missing values as they come."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from archwright.errors import DataError, nearest, unknown_name

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data")
"""Files of text, one row a line; also with `PACKED` after it."""

PARQUET_SUFFIXES = (".parquet", ".pq")
"""Apache Parquet files."""

PACKED = (".gz", ".bz2", ".xz", ".zip")
"""Compressions that are read through."""

MISSING_TEXTS = (
    *("", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
"""What counts as missing in a file: pandas' own list and `?`, but not `None`, which is a class
in many files (columns of numbers still read it as missing)."""

TARGET_NAMES = ("target", "label", "labels", "class", "y", "outcome")
"""Names of a column that is taken as the target when none was named."""

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?%?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
_SNIFF_BYTES = 1 << 18


@dataclass(frozen=True, eq=False)
class Table:
    """A table read from a file.

    Attributes:
        frame: its rows.
        header: whether the first line held the names of the columns.
        notes: what was guessed.
    """

    frame: pd.DataFrame
    header: bool
    notes: tuple[str, ...] = ()


def existing(path: str | Path, what: str = "file or folder") -> Path:
    """The path, or a `DataError` that names the nearest thing that is there."""
    path = Path(path).expanduser()
    if path.exists():
        return path
    folder = path.parent
    if not folder.exists():
        raise DataError(f"no {what} {str(path)!r}: the folder {str(folder)!r} does not exist")
    try:
        names = [one.name for one in folder.iterdir()]
    except OSError:
        names = []
    close = nearest(path.name, names)
    hint = f": did you mean {str(folder / close)!r}?" if close else ": check the path"
    raise DataError(f"no {what} {str(path)!r}{hint}")


def is_table(path: Path) -> bool:
    """Whether the name of a file says that it is a table that can be read."""
    return _suffix(path) in (*TEXT_SUFFIXES, *PARQUET_SUFFIXES)


def _suffix(path: Path) -> str:
    suffixes = [one.lower() for one in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_table(path: str | Path, *, header: bool | None = None) -> Table:
    r"""Read a CSV, TSV or Parquet file.

    Separator (comma, semicolon, tab, bar, spaces), header, decimal comma and encoding (UTF-8,
    UTF-16 with a mark, else Latin-1) are found out; compressed files are read through.

    Args:
        path: of the file.
        header: whether the first line holds the names of the columns; found out when None.

    Raises:
        DataError: the file is not there, empty, or cannot be read as a table.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "shop.csv"
    >>> _ = path.write_text("price;sold\n1,5;yes\n2,5;no\n")
    >>> read_table(path).frame["price"].tolist()
    [1.5, 2.5]
    """
    path = existing(path, "file")
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder: a table file is expected (CSV or Parquet)")
    suffix = _suffix(path)
    if suffix in PARQUET_SUFFIXES:
        return _read_parquet(path)
    if suffix not in TEXT_SUFFIXES:
        raise DataError(
            f"{path.name!r} is not a kind of table that can be read: expected "
            f"{', '.join((*TEXT_SUFFIXES, *PARQUET_SUFFIXES))} (also compressed: "
            f"{', '.join(PACKED)}). Save it as one of these"
        )
    return _read_text(path, header)


def _read_parquet(path: Path) -> Table:
    if path.stat().st_size == 0:
        raise DataError(f"{str(path)!r} is empty: a table with rows is expected")
    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read as a Parquet file ({_first_line(error)}): write it "
            "again, or give a CSV"
        ) from None
    return Table(_with_rows(frame, path), header=True)


def _with_rows(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise DataError(
            f"{str(path)!r} holds {frame.shape[0]} rows and {frame.shape[1]} columns: a table with "
            "rows is expected"
        )
    return frame


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _read_text(path: Path, header: bool | None) -> Table:
    last = path.suffix.lower()
    data = _bytes(path, last if last in PACKED else None)
    notes: list[str] = []
    text, encoding = _decode(data, path)
    if encoding == "latin-1":
        notes.append(f"{path.name} is not UTF-8: read as Latin-1; check letters with accents")
    if not text.strip():
        raise DataError(f"{str(path)!r} is empty: a table with a header and rows is expected")
    sample = text[:_SNIFF_BYTES]
    separator = sniff_separator(sample)
    lines = _rows(sample, separator, 200, whole=len(sample) == len(text))
    if not lines or max(len(line) for line in lines) < 2:
        raise DataError(
            f"{str(path)!r} has one column only: a target and at least one input are expected, "
            "separated by comma, semicolon or tab"
        )
    if header is None:
        header = has_header(lines)
        if not header:
            notes.append(
                f"{path.name} has no header: columns are named 0 to {len(lines[0]) - 1} by their "
                "place"
            )
    if header:
        names = [name.strip() for name in lines[0]]
        twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
        if twice:
            raise DataError(
                f"{path.name} has several columns named {twice[0]!r}: rename all but one of them"
            )
    decimal = "," if separator != "," and _decimal_comma(lines[header:]) else "."
    separator_rule = r"\s+" if separator == " " else separator
    trailing = header and all(
        len(line) == len(lines[0]) + 1 and not line[-1].strip() for line in lines[1:]
    )
    if trailing and len(lines) > 1:
        notes.append(f"every row of {path.name} ends with a separator: read without it")
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator_rule,
            header=0 if header else None,
            decimal=decimal,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=list(MISSING_TEXTS),
            low_memory=False,
            skip_blank_lines=True,
            index_col=False if trailing else None,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        _check_widths(text, separator, path, header=header)
        raise DataError(
            f"{str(path)!r} cannot be read as a table ({_first_line(error)}): every line must have "
            f"the same number of fields, separated by {_SEPARATORS[separator]}"
        ) from None
    if frame.shape[0] and frame.iloc[:, -1].isna().any():  # as in a row with too few fields
        _check_widths(text, separator, path, header=header)
    if header:
        frame.columns = pd.Index([str(name).strip() for name in frame.columns])
        if not isinstance(frame.index, pd.RangeIndex):
            notes.append(f"{path.name} names its rows in a first column without a header: left out")
            frame = frame.reset_index(drop=True)
    return Table(_with_rows(frame, path), header=header, notes=tuple(notes))


def _check_widths(text: str, separator: str, path: Path, *, header: bool) -> None:
    """Refuse a text whose rows do not all have as many fields: the first odd one is named."""
    widths: list[int] = []
    numbers: list[int] = []
    lines = io.StringIO(text, newline="")
    if separator == " ":
        for number, line in enumerate(lines, 1):
            if line.strip():
                widths.append(len(line.split()))
                numbers.append(number)
    else:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        try:
            for fields in reader:
                if len(fields) > 1 or (fields and fields[0].strip()):
                    widths.append(len(fields))
                    numbers.append(reader.line_num)
        except csv.Error:
            return
    rows = widths[header:]
    if not rows:
        return
    usual = Counter(rows).most_common(1)[0][0]
    odd = [k for k, width in enumerate(rows) if width != usual]
    if odd:
        first = odd[0]
        more = f" ({len(odd)} such rows in all)" if len(odd) > 1 else ""
        raise DataError(
            f"row {first} of {path.name} (counting from 0; line {numbers[header:][first]}) has "
            f"{rows[first]} field{'s' * (rows[first] != 1)} where others have {usual}{more}: "
            "write as many in each row, empty ones for missing values, and quote text that holds "
            f"{_SEPARATORS[separator]}"
        )


def _bytes(path: Path, packing: str | None) -> bytes:
    openers: dict[str | None, Any] = {
        None: open,
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    try:
        if packing == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(archive.namelist()[0])
        with openers[packing](path, "rb") as file:
            return bytes(file.read())
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({_first_line(error)}): check the file and its rights"
        ) from None


def _decode(data: bytes, path: Path) -> tuple[str, str]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), "utf-16"
    if b"\x00" in data[:4096]:
        raise DataError(
            f"{str(path)!r} is not a text file (it holds zero bytes): a CSV or TSV is expected"
        )
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


def sniff_separator(text: str) -> str:
    r"""The character that separates fields: the one that cuts all lines into as many.

    >>> sniff_separator("a;b\n1,5;2\n")
    ';'
    """
    best, separator = (0.0, 0), ","
    for one in _SEPARATORS:
        counts = [len(line) for line in _rows(text, one, 100, whole=False)]
        if not counts:
            continue
        n_fields, often = Counter(counts).most_common(1)[0]
        if n_fields > 1:
            # Spaces cut prose into equal parts by chance: any real separator goes first.
            score = (often / len(counts) - (0.5 if one == " " else 0.0), n_fields)
            if score > best:
                best, separator = score, one
    return separator


def _rows(text: str, separator: str, most: int, *, whole: bool) -> list[list[str]]:
    lines = text.splitlines()
    if not whole and len(lines) > 2:
        lines = lines[:-1]  # the last one may be cut
    if separator == " ":
        return [line.split() for line in lines[:most] if line.strip()]
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    made: list[list[str]] = []
    try:
        for line in reader:
            if any(cell.strip() for cell in line):
                made.append(line)
            if len(made) >= most:
                break
    except csv.Error:
        pass
    return made


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def has_header(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first of some lines names the columns.

    A number in it says no; names that come again as values, or twice, say no.

    >>> has_header([["size", "sold"], ["1", "yes"]]), has_header([["5", "no"], ["1", "yes"]])
    (True, False)
    """
    first = [cell.strip() for cell in lines[0]]
    rest = lines[1:]
    if not rest:
        return True
    numbers = [cell for cell in first if _is_number(cell) or cell in ("?", "NA")]
    if numbers:
        return _is_count(numbers) and not _is_count([c for c in rest[0] if _is_number(c)])
    for k in range(len(first)):
        column = [line[k].strip() for line in rest if k < len(line) and line[k].strip()]
        if column and sum(_is_number(cell) for cell in column) > 0.5 * len(column):
            return True
    named = [cell for cell in first if cell]
    if len(set(named)) < len(named):
        return False
    again = sum(
        any(k < len(line) and line[k].strip() == first[k] for line in rest)
        for k in range(len(first))
    )
    return again < 0.5 * len(first)


def _is_count(cells: Sequence[str]) -> bool:
    """Whether cells count up by one, as the names of columns without real names do."""
    if len(cells) < 3 or not all(cell.strip().isdigit() for cell in cells):
        return False
    if any(len(cell) > 18 for cell in cells):
        return False
    values = [int(cell) for cell in cells]
    return values == list(range(values[0], values[0] + len(values)))


def _decimal_comma(lines: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for line in lines for cell in line if cell.strip()]
    commas = sum(bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    points = sum("." in cell and _is_number(cell) for cell in cells)
    return commas > 0 and commas > points


def find_target(
    names: Sequence[str], target: str | int | Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The columns to predict, and remarks.

    Args:
        names: of all columns.
        target: a name, a place (negative: from the end), several names (also one text with
            commas), or None for a guess.

    Raises:
        UnknownNameError: there is no such column; the nearest is named.
        DataError: several columns have that name, or no input column is left.

    >>> find_target(["size", "Label"], None)[0]
    ['Label']
    """
    if len(names) < 2:
        raise DataError(
            f"a table needs a target and at least one input column; its only column is {names[0]!r}"
        )
    notes: list[str] = []
    if target is None:
        lowered = {name.casefold(): name for name in reversed(names)}
        found = next((lowered[one] for one in TARGET_NAMES if one in lowered), None)
        chosen = found or names[-1]
        why = "by its name" if found else "the last column"
        notes.append(f"no target was named: {chosen!r} is taken ({why})")
        return [chosen], notes
    if isinstance(target, str) and target not in names and "," in target:
        target = [one.strip() for one in target.split(",") if one.strip()]
    wanted: list[Any] = [target] if isinstance(target, str | int) else list(target)
    if not wanted:
        raise DataError("at least one target column is needed, got none")
    chosen_names: list[str] = []
    for one in wanted:
        text = str(one).strip()
        if text in names:
            chosen_names.append(text)
            continue
        loose = [name for name in names if name.strip().casefold() == text.casefold()]
        if len(loose) == 1:
            chosen_names.append(loose[0])
        elif re.fullmatch(r"-?\d{1,18}", text) and -len(names) <= int(text) < len(names):
            chosen_names.append(names[int(text)])
        else:
            raise unknown_name("target column", text, names)
    for name in chosen_names:
        if chosen_names.count(name) > 1:
            raise DataError(f"the target names the column {name!r} twice: name each column once")
        if list(names).count(name) > 1:
            raise DataError(
                f"the table has {list(names).count(name)} columns named {name!r}: rename all but "
                "the target"
            )
    if len(set(chosen_names)) == len(names):
        raise DataError("all columns are targets: at least one input column is needed")
    return chosen_names, notes


__all__ = [
    "PACKED",
    "PARQUET_SUFFIXES",
    "TARGET_NAMES",
    "TEXT_SUFFIXES",
    "Table",
    "existing",
    "find_target",
    "has_header",
    "is_table",
    "read_table",
    "sniff_separator",
]
