#!/usr/bin/env python3
"""Draws the loss curve of a run as an SVG picture, from the standard library alone.

    python3 scripts/plot-metrics.py runs/NAME/metrics.jsonl PICTURE.svg
"""

import json
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 360, 56, 44, 20, 20
# Colours that stay apart for the colour-blind (Okabe and Ito).
SERIES = [
    ("training loss (smoothed)", "#E69F00"),
    ("training NLL", "#0072B2"),
    ("validation NLL", "#D55E00"),
]


def read(path):
    """The three series as lists of (step, nats per token)."""
    loss, nll, validation = [], [], []
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "loss" in line:
                loss.append((line["step"], line["loss"]))
                nll.append((line["step"], line["nll"]))
            elif "validation" in line:
                validation.append((line["step"], line["validation"]["nll"]))
    return [loss, nll, validation]


def draw(series):
    last = max(step for points in series for step, _ in points)
    highest = max(value for points in series for _, value in points)

    def place(step, value):
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / highest
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in range(int(highest) + 1):
        x, y = place(0, value).split(",")
        parts.append(f'<path d="M{x} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4}" text-anchor="end">{value}</text>')
    for fifth in range(6):
        step = last * fifth // 5
        x, y = place(step, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 18}" text-anchor="middle">{step:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">update</text>')
    parts.append(
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">nats per target token</text>'
    )
    for row, ((name, colour), points) in enumerate(zip(SERIES, series)):
        line = " ".join(place(step, value) for step, value in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) < 20:
            for step, value in points:
                x, y = place(step, value).split(",")
                parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>')
        y = TOP + 14 + 18 * row
        parts.append(f'<path d="M{WIDTH - 220} {y - 4}h24" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - 188}" y="{y}">{name}</text>')
    return "\n".join(parts + ["</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], "w", encoding="utf-8") as picture:
        picture.write(draw(read(sys.argv[1])))
