"""Size against speed as a picture: for each set, one panel of encoding and one of decoding."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.measure import Row
from bench.table import grouped, totals

FORMATS = (".svg", ".png")

_WIDTH, _HEIGHT = 520, 320  # one panel, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 160, 34, 42  # its margins
_LABEL = 12  # height of a label
_OURS, _PEERS = "#c0392b", "#34495e"


@dataclass(frozen=True)
class Panel:
    """Points are (codec, MB/s, % of raw size)."""

    title: str
    points: list[tuple[str, float, float]]


def panels(rows: list[Row]) -> list[Panel]:
    """Two per set: geometric mean speed of CPU time against total size, of codecs that finished all files."""
    result = []
    for name, in_set in grouped(rows, "set").items():
        done = [row for row in totals(in_set) if "error" not in row and row["raw_bytes"]]
        for what in ("encode", "decode"):
            points = [
                (row["codec"], row[f"{what}_mbps"], 100 * row["stored_bytes"] / row["raw_bytes"]) for row in done if row[f"{what}_mbps"]
            ]
            result.append(Panel(f"{name}: {what}", points))
    return [panel for panel in result if panel.points]


def write(rows: list[Row], path: Path) -> None:
    """Draws into ``path``; its suffix is one of ``FORMATS``. PNG needs matplotlib, SVG nothing."""
    if path.suffix == ".svg":
        path.write_text(svg(panels(rows)))
    else:
        _write_png(panels(rows), path)


def svg(drawn: list[Panel]) -> str:
    """A stand-alone SVG document, two panels to a line. Right and down is better; ours are red."""
    height = _HEIGHT * math.ceil(len(drawn) / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(drawn):
        parts.append(f'<g transform="translate({number % 2 * _WIDTH},{number // 2 * _HEIGHT})">')
        parts += [*_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    decades = range(
        math.floor(math.log10(min(speed for _, speed, _ in panel.points))),
        math.floor(math.log10(max(speed for _, speed, _ in panel.points))) + 2,
    )
    low = min(size for _, _, size in panel.points)
    high = max(size for _, _, size in panel.points)
    margin = 0.06 * (high - low or high)
    low, high = low - margin, high + margin
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(speed: float) -> float:
        return _LEFT + (math.log10(speed) - decades[0]) / (len(decades) - 1) * (right - _LEFT)

    def y(size: float) -> float:
        return bottom - (size - low) / (high - low) * (bottom - _TOP)

    def text(at_x: float, at_y: float, content: str, style: str = "") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {style}>{escape(content)}</text>'

    parts = [text(_LEFT, _TOP - 14, panel.title, 'font-weight="bold" font-size="13"')]
    for decade in decades:
        at = x(10.0**decade)
        parts.append(f'<path d="M{at:.1f} {_TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(text(at, bottom + 15, f"{10.0**decade:g}", 'text-anchor="middle"'))
    for step in range(5):
        size = low + (high - low) * step / 4
        parts.append(f'<path d="M{_LEFT} {y(size):.1f}H{right}" stroke="#ddd"/>')
        parts.append(text(_LEFT - 6, y(size) + 4, f"{size:.1f}", 'text-anchor="end"'))
    parts.append(text((_LEFT + right) / 2, bottom + 32, "MB/s of CPU time", 'text-anchor="middle"'))
    vertical = f'text-anchor="middle" transform="rotate(-90 14 {(_TOP + bottom) / 2:.0f})"'
    parts.append(text(14, (_TOP + bottom) / 2, "% of raw size", vertical))
    points = sorted(panel.points, key=lambda point: -point[2])
    labels = _spread([y(size) for _, _, size in points], _LABEL, bottom)
    for (codec, speed, size), label in zip(points, labels, strict=True):
        colour = _OURS if codec.startswith("laconic") else _PEERS
        at_x, at_y = x(speed), y(size)
        line = f"M{at_x:.1f} {at_y:.1f}L{right + 8} {label:.1f}"
        parts.append(f'<path d="{line}" stroke="{colour}" stroke-opacity="0.3" fill="none"/>')
        parts.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="4" fill="{colour}"/>')
        parts.append(text(right + 12, label + 4, codec, f'fill="{colour}"'))
    return parts


def _spread(wanted: list[float], gap: float, last: float) -> list[float]:
    """Ascending positions moved apart to ``gap``: down first, then up from ``last``, the lowest."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + gap) if placed else position)
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], last)
        last = placed[index] - gap
    return placed


def _write_png(drawn: list[Panel], path: Path) -> None:
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError:
        raise SystemExit("--plot: a .png needs matplotlib, which is not installed; use .svg") from None
    lines = math.ceil(len(drawn) / 2)
    figure = figures.Figure(figsize=(12, 4 * lines), layout="constrained")
    for axes, panel in zip(figure.subplots(lines, 2, squeeze=False).flat, drawn, strict=False):
        for codec, speed, size in panel.points:
            colour = _OURS if codec.startswith("laconic") else _PEERS
            axes.plot(speed, size, "o", color=colour)
            axes.annotate(codec, (speed, size), (5, 0), textcoords="offset points", color=colour, fontsize=8)
        axes.set(title=panel.title, xscale="log", xlabel="MB/s of CPU time", ylabel="% of raw size")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
