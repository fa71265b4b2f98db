#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Draws what `./dev bench --save DIRECTORY` wrote as an SVG.

usage: plot.py DIRECTORY/run.json PICTURE.svg
"""

import json
import math
import sys
from xml.sax.saxutils import escape

PANELS = [
    ("mutex.uncontended", "Lock and unlock, nobody else there"),
    ("mutex.handoff.8", "Hand-off between 8 tasks on one thread"),
    ("asio.uncontended", "Boost.Asio: lock and unlock, nobody else there"),
    ("asio.handoff", "Boost.Asio: hand-off between 8 tasks, one co_await post in the section"),
]
COLOURS = {"g++": "#0072b2", "clang": "#e69f00"}  # told apart by colour-blind eyes, too
INK = "#222222"
FAINT = "#d8d8d8"

WIDTH = 900
LEFT = 250  # where the bars begin
RIGHT = 70  # room for the figure behind the longest bar
BAR = 11
ROW = 2 * BAR + 8
TITLE = 34
AXIS = 30


def text(x, y, words, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
            f'text-anchor="{anchor}" fill="{INK}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour=INK):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="1"/>')


def step_for(longest):
    """The distance of ticks: 1, 2 or 5 times a power of ten, at most six of them."""
    power = 10 ** math.floor(math.log10(longest / 6))
    return next(power * factor for factor in (1, 2, 5, 10) if longest / (power * factor) <= 6)


def panel(rows, title, top):
    """The panel's elements and its height."""
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    floors = {row["subject"] for row in rows if row["is_floor"]}
    longest = max(row["ns_median"] + row["ns_mad"] for row in rows)
    scale = (WIDTH - LEFT - RIGHT) / longest
    body = top + TITLE
    bottom = body + ROW * len(subjects)

    out = [text(16, top + 20, title, size=15, weight="bold")]
    step = step_for(longest)
    for tick in range(int(longest / step) + 1):
        x = LEFT + tick * step * scale
        out.append(line(x, body, x, bottom, FAINT))
        out.append(text(x, bottom + 15, f"{tick * step:g}", "middle", 11))
    out.append(text(WIDTH - 16, bottom + 15, "ns", "end", 11))
    for number, subject in enumerate(subjects):
        y = body + ROW * number + 4
        name = subject + (" (floor)" if subject in floors else "")
        out.append(text(LEFT - 8, y + BAR + 4, name, "end",
                        weight="bold" if subject == "corolock" else "normal"))
        for row in rows:
            if row["subject"] != subject:
                continue
            bar = y + BAR * list(COLOURS).index(row["compiler"])
            width = row["ns_median"] * scale
            spread = row["ns_mad"] * scale
            middle = bar + (BAR - 1) / 2
            out.append(f'<rect x="{LEFT}" y="{bar:.1f}" width="{width:.1f}" height="{BAR - 1}" '
                       f'fill="{COLOURS[row["compiler"]]}"/>')
            out.append(line(LEFT + max(width - spread, 0), middle, LEFT + width + spread, middle))
            for end in (max(width - spread, 0), width + spread):
                out.append(line(LEFT + end, middle - 3, LEFT + end, middle + 3))
            out.append(text(LEFT + width + spread + 6, middle + 4, f"{row['ns_median']:.3g}",
                            size=10))
    out.append(line(LEFT, body, LEFT, bottom))
    return out, TITLE + ROW * len(subjects) + AXIS


def footer(run, top):
    about = run["machine"]
    lines = [f"{about['cpu']}{' (virtual)' if about['virtual'] else ''}; {about['os']}"]
    lines += [f"{name}: {version}; {about['flags'][name]}"
              for name, version in about["compilers"].items()]
    lines.append(f"Medians of {run['repetitions']} interleaved repetitions; whiskers: median "
                 f"absolute deviation. Commit {about['commit']}; {about['date']}")
    return [text(16, top + 16 * (i + 1), words, size=11) for i, words in enumerate(lines)], \
        16 * (len(lines) + 1)


def draw(run):
    out = []
    top = 44
    x = LEFT
    for name, colour in COLOURS.items():
        out.append(f'<rect x="{x}" y="16" width="14" height="14" fill="{colour}"/>')
        out.append(text(x + 20, 28, name))
        x += 90
    out.append(text(x, 28, "shorter is faster; every axis begins at zero and has its own scale"))
    for case, title in PANELS:
        rows = [row for row in run["rows"] if row["case"] == case]
        if rows:
            elements, height = panel(rows, f"{title} ({case})", top)
            out += elements
            top += height + 10
    elements, height = footer(run, top)
    out += elements
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + height}" '
        f'viewBox="0 0 {WIDTH} {top + height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>', *out, "</svg>", "",
    ])  # fmt: skip


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: plot.py DIRECTORY/run.json PICTURE.svg")
    try:
        with open(arguments[0], encoding="utf-8") as file:
            run = json.load(file)
        picture = draw(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"plot.py: {arguments[0]} is not a saved run: {error!r}")
    with open(arguments[1], "w", encoding="utf-8") as file:
        file.write(picture)


if __name__ == "__main__":
    main(sys.argv[1:])
