"""A bar chart as SVG text: logarithmic scale, light and dark colours, and each figure above its bar."""

from __future__ import annotations

import math
from html import escape

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1c2330 }
  .value { font-size: 11px }
  .title { font-size: 16px; font-weight: 600 }
  .line { stroke: #8a94a6; stroke-width: 1 }
  .b0 { fill: #b3341f } .b1 { fill: #b57a00 } .b2 { fill: #2f6fdb } .b3 { fill: #1f8a5b }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e8ebf0 }
    .b0 { fill: #ff8a75 } .b1 { fill: #f2bd4b } .b2 { fill: #86b1ff } .b3 { fill: #63d6a0 }
    .page { fill: #14181f }
  }"""
_WIDTH, _TOP, _HEIGHT, _LEFT = 760, 110, 260, 60
_MARGIN, _BAR = 20, 37


def bars(title: str, groups: list[str], series: list[str], values: list[list[float]], floor: float) -> str:
    """Return the chart. `values` are by group, then by series. A value under `floor` has a figure and no bar."""
    top = 10 ** math.ceil(math.log10(max(one for row in values for one in row)))
    scale = _HEIGHT / math.log10(top / floor)
    base = _TOP + _HEIGHT

    def height(value: float) -> float:
        return scale * math.log10(max(value, floor) / floor)

    parts = [f'<text class="title" x="{_MARGIN}" y="28">{escape(title)}</text>']
    for number, name in enumerate(series):
        x, y = _MARGIN + (number % 2) * 360, 46 + (number // 2) * 22
        parts.append(f'<rect class="b{number}" x="{x}" y="{y}" width="14" height="14"/>')
        parts.append(f'<text x="{x + 20}" y="{y + 12}">{escape(name)}</text>')
    step = (_WIDTH - _LEFT - _MARGIN) / len(groups)
    for power in range(round(math.log10(floor)), round(math.log10(top)) + 1):
        level = base - height(10.0**power)
        parts.append(
            f'<line class="line" x1="{_LEFT}" x2="{_WIDTH - _MARGIN}" y1="{level:.1f}" y2="{level:.1f}" opacity="0.4"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for position, (group, row) in enumerate(zip(groups, values, strict=True)):
        left = _LEFT + position * step + (step - len(row) * (_BAR + 4)) / 2
        for number, value in enumerate(row):
            beginning, tall = left + number * (_BAR + 4), height(value)
            parts.append(
                f'<rect class="b{number}" x="{beginning:.1f}" y="{base - tall:.1f}" width="{_BAR}" height="{tall:.1f}"/>'
            )
            text = f"{value:.2g}" if value >= floor else "0" if not value else f"<{floor:g}"
            parts.append(
                f'<text class="value" x="{beginning + _BAR / 2:.1f}" y="{base - tall - 5:.1f}" text-anchor="middle">{escape(text)}</text>'
            )
        parts.append(
            f'<text x="{_LEFT + (position + 0.5) * step:.1f}" y="{base + 22}" text-anchor="middle">{escape(group)}</text>'
        )
    body = "\n  ".join(parts)
    size = f'viewBox="0 0 {_WIDTH} {base + 40}" width="{_WIDTH}" height="{base + 40}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">\n'
        f'  <style>{_STYLE}\n  </style>\n  <rect class="page" width="100%" height="100%"/>\n  {body}\n</svg>\n'
    )
