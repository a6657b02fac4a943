"""Small pieces of SVG, every text escaped."""

from html import escape

CHARACTER_PX = 6.4
"""The width of a character of 12 px text, taken generously."""


def place(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, content: str, *, kind: str = "", anchor: str = "start") -> str:
    """Text at its baseline."""
    classes = f' class="{kind}"' if kind else ""
    anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{place(x)}" y="{place(y)}"{classes}{anchored}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{place(x1)} {place(y1)}L{place(x2)} {place(y2)}"/>'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle."""
    return (
        f'<rect class="{kind}" x="{place(x)}" y="{place(y)}" width="{place(max(width, 0))}" '
        f'height="{place(max(height, 0))}"/>'
    )


def path(kind: str, data: str) -> str:
    """A path, or nothing where there is nothing to draw."""
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def dot(x: float, y: float) -> str:
    """A dot, as data of a path with round ends."""
    return f"M{place(x)} {place(y)}h0"


def cross(x: float, y: float) -> str:
    """A small cross, as data of a path."""
    return f"M{place(x - 2)} {place(y - 2)}l4 4m0-4l-4 4"


def arrow_up(x: float, y: float) -> str:
    """A small arrow head with its tip at the place: there is more beyond this edge."""
    return f"M{place(x - 2.2)} {place(y + 4)}l2.2-4l2.2 4"


def square(x: float, y: float) -> str:
    """A small square, as data of a path."""
    return f"M{place(x - 2.5)} {place(y - 2.5)}h5v5h-5z"


def width_of(content: str) -> float:
    """About how wide 12 px text is."""
    return CHARACTER_PX * len(content)
