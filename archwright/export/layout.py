"""Line breaks for generated source: as a formatter would set them, without needing one."""

from __future__ import annotations

from typing import Final

WIDTH: Final = 96
_OPEN: Final = "([{"
_CLOSE: Final = ")]}"


def wrap(line: str, width: int = WIDTH) -> str:
    """Break a statement that is too long at the commas of its widest brackets.

    Args:
        line: one statement on one line, with its indentation.
        width: the longest line allowed where it can be helped.

    Returns:
        The statement on one or several lines, equal to Python.

    Example:
        >>> print(wrap("x = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())", width=40))
        x = nn.Sequential(
            nn.Conv2d(3, 16, 3),
            nn.ReLU(),
        )
    """
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    span = _widest(line)
    if span is None:
        return line
    start, end = span
    items = _split(line[start + 1 : end])
    if not items:
        return line
    inner = indent + "    "
    before = line[start - 1] if start else " "
    is_call = line[start] == "(" and (before.isalnum() or before in "_)]")
    # in plain parentheses a comma would make a tuple, after a lone generator it is an error
    lone = len(items) == 1 and not line[:end].rstrip().endswith(",")
    trailing = not (lone and ((line[start] == "(" and not is_call) or " for " in items[0]))
    body = [wrap(f"{inner}{item}{',' if trailing else ''}", width) for item in items]
    return "\n".join([line[: start + 1], *body, indent + line[end:]])


def _scan(text: str) -> list[tuple[int, str, int]]:
    """The brackets and commas outside of strings: position, character, depth before it."""
    found = []
    depth = 0
    quote = ""
    skip = False
    for i, letter in enumerate(text):
        if skip:
            skip = False
        elif quote:
            if letter == "\\":
                skip = True
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter in _OPEN:
            found.append((i, letter, depth))
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
            found.append((i, letter, depth))
        elif letter == ",":
            found.append((i, letter, depth))
    return found


def _widest(line: str) -> tuple[int, int] | None:
    """The outermost pair of brackets that holds most."""
    best = None
    start = 0
    for i, letter, depth in _scan(line):
        if depth == 0 and letter in _OPEN:
            start = i
        elif depth == 0 and letter in _CLOSE:
            # subscripts are left whole: a break inside x[...] reads badly
            subscript = letter == "]" and start > 0 and (line[start - 1].isalnum())
            if i - start > 1 and not subscript and (best is None or i - start > best[1] - best[0]):
                best = (start, i)
    if best is not None:
        # f([...]) breaks inside of the list, not before it
        inner = line[best[0] + 1 : best[1]]
        brackets = [(i, c) for i, c, depth in _scan(inner) if depth == 0]
        if len(brackets) == 2 and inner[:1] in ("[", "{") and brackets[1][0] == len(inner) - 1:
            return best[0] + 1, best[1] - 1
    return best


def _split(text: str) -> list[str]:
    items, last = [], 0
    for i, letter, depth in _scan(text):
        if letter == "," and depth == 0:
            items.append(text[last:i].strip())
            last = i + 1
    items.append(text[last:].strip())
    return [item for item in items if item]
