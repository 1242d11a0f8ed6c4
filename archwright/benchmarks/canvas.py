"""A drawing of lines, areas and texts, as SVG or as PNG.

One list of shapes serves both, so that the base installation is enough: SVG is text, and PNG is
made by Pillow, at twice the size and scaled down, so that lines are smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Shape:
    """One line, area or text.

    Attributes:
        kind: "line", "area" or "text".
        points: its corners; of a text where it stands.
        colour: "#rrggbb".
        width: of a line, in pixels.
        opacity: of an area.
        text: of a text.
        anchor: where a text's point lies: "start", "middle" or "end".
        size: of a text, in pixels.
        upright: whether a text runs upwards.
        dashed: for lines.
    """

    kind: Literal["line", "area", "text"]
    points: Points
    colour: str
    width: float = 1.0
    opacity: float = 1.0
    text: str = ""
    anchor: Literal["start", "middle", "end"] = "start"
    size: float = 12.0
    upright: bool = False
    dashed: bool = False


@dataclass
class Canvas:
    """Shapes on a white ground.

    Attributes:
        width: in pixels.
        height: in pixels.
        shapes: in the order in which they are drawn.
    """

    width: int
    height: int
    shapes: list[Shape] = field(default_factory=list)

    def svg(self, title: str) -> str:
        """The drawing as one `<svg>` element."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" font-family="sans-serif" '
            f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>'
        ]
        parts += [_svg(shape) for shape in self.shapes]
        return "".join([*parts, "</svg>"])

    def save_png(self, path: str | Path) -> None:
        """Write the drawing as a PNG file of twice its size in pixels."""
        from PIL import Image, ImageDraw

        scale = 4
        image = Image.new("RGB", (scale * self.width, scale * self.height), "#ffffff")
        for shape in self.shapes:
            if shape.kind == "area":
                # A translucent area is drawn on a copy and blended in.
                over = image.copy()
                corners = [(scale * x, scale * y) for x, y in shape.points]
                ImageDraw.Draw(over).polygon(corners, fill=shape.colour)
                image = Image.blend(image, over, shape.opacity)
            elif shape.kind == "line":
                _draw_line(ImageDraw.Draw(image), shape, scale)
            else:
                _draw_text(image, shape, scale)
        image.resize((2 * self.width, 2 * self.height), Image.Resampling.LANCZOS).save(path, "PNG")


def _svg(shape: Shape) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if shape.kind == "area":
        return f'<polygon points="{points}" fill="{shape.colour}" opacity="{shape.opacity:g}"/>'
    if shape.kind == "line":
        dash = ' stroke-dasharray="5 4"' if shape.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{shape.colour}" '
            f'stroke-width="{shape.width:g}"{dash}/>'
        )
    x, y = shape.points[0]
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if shape.upright else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{shape.size:g}" fill="{shape.colour}" '
        f'text-anchor="{shape.anchor}"{turn}>{escape(shape.text)}</text>'
    )


def _draw_line(draw: Any, shape: Shape, scale: int) -> None:
    points = [(scale * x, scale * y) for x, y in shape.points]
    width = max(1, round(scale * shape.width))
    if not shape.dashed:
        draw.line(points, fill=shape.colour, width=width, joint="curve")
        return
    on, left = True, 5.0 * scale
    for (x1, y1), (x2, y2) in pairwise(points):
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        done = 0.0
        while length - done > 1e-9:
            step = min(left, length - done)
            a, b = done / length, (done + step) / length
            if on:
                ends = [(x1 + t * (x2 - x1), y1 + t * (y2 - y1)) for t in (a, b)]
                draw.line(ends, fill=shape.colour, width=width)
            done, left = done + step, left - step
            if left <= 1e-9:
                on, left = not on, (4.0 if on else 5.0) * scale


def _draw_text(image: Any, shape: Shape, scale: int) -> None:
    from PIL import Image, ImageDraw, ImageFont

    try:
        font: Any = ImageFont.load_default(size=scale * shape.size)
    except (TypeError, OSError, ImportError):  # Pillow without FreeType has one small font
        font = ImageFont.load_default()
    text = shape.text
    try:
        box = ImageDraw.Draw(image).textbbox((0, 0), text, font=font)
    except UnicodeError:  # the small font has Latin letters only
        text = text.encode("latin-1", "replace").decode("latin-1")
        box = ImageDraw.Draw(image).textbbox((0, 0), text, font=font)
    width, height = int(box[2]) + 2, int(box[3]) + 2
    part = Image.new("L", (width, height), 0)
    ImageDraw.Draw(part).text((0, 0), text, font=font, fill=255)
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor]
    x, y = (scale * v for v in shape.points[0])
    # SVG places a text by its base line, a fifth of its size above its lower edge.
    base = 0.95 * scale * shape.size
    if shape.upright:
        part = part.rotate(90, expand=True)
        place = (round(x - base), round(y - (1 - shift) * width))
    else:
        place = (round(x - shift * width), round(y - base))
    image.paste(Image.new("RGB", part.size, shape.colour), place, part)
