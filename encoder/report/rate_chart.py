"""The rate-quality picture as SVG inside the page, coloured by the page's style sheet.

Classes ``z0``, ``z1`` ... are resolutions from the largest, ``r0``, ``r1`` ... rungs from the best.
"""

from __future__ import annotations

from encoder.report import text
from encoder.report.axes import Axis, Box, linear_ticks, log_ticks, place_labels
from encoder.report.rate_quality import RateQuality, marker_obstacles
from encoder.report.svg import element, polyline, straight, tip, words

_FONT = 12.0
# Between the widths of the fonts a browser may choose for the page.
_EM_WIDTH = 0.56


def rate_chart(picture: RateQuality, width: int) -> str:
    """The picture at a width in pixels; narrow ones have shorter labels and fewer ticks."""
    narrow = width < 600
    height = 380 if narrow else 470
    x = Axis(*picture.rates, 34, width - 12, log=True)
    y = Axis(*picture.qualities, height - 44, 28)
    parts = [_frame(x, y, height, narrow)]
    if picture.hull:
        parts.append(polyline([(x.at(r), y.at(v)) for r, v in picture.hull], "hull"))
    for index, line in enumerate(picture.lines):
        name = text.resolution(line.width, line.height)
        dots = [
            element(
                "circle",
                tip(f"{name}, mean CRF {p.crf:.1f}: {text.bitrate(p.bitrate)}, VMAF {p.vmaf:.1f}"),
                cx=x.at(p.bitrate),
                cy=y.at(p.vmaf),
                r=3,
            )
            for p in line.points
        ]
        path = polyline([(x.at(p.bitrate), y.at(p.vmaf)) for p in line.points], "line")
        parts.append(element("g", path, *dots, class_=f"trials z{index}"))
    parts.append(_reference(picture, x, y))
    parts.append(_marks(picture, x, y, narrow=narrow))
    return element(
        "svg",
        *(p for p in parts if p),
        viewBox=f"0 0 {width} {height}",
        class_="narrow" if narrow else "wide",
        role="img",
        aria_label="Quality against bitrate: resolutions, their upper hull, and the chosen rungs",
    )


def _frame(x: Axis, y: Axis, height: int, narrow: bool) -> str:
    parts = []
    for tick in linear_ticks(y.low, y.high, 6 if narrow else 9):
        at = y.at(tick)
        parts.append(straight(x.start, at, x.end, at, "grid"))
        parts.append(words(f"{tick:g}", x.start - 8, at + 4, "tick end"))
    for tick in log_ticks(x.low, x.high, 4 if narrow else 10):
        at = x.at(tick)
        parts.append(straight(at, y.start, at, y.end, "grid"))
        # A label at the very end would be cut off.
        side = "tick end" if at > x.end - 26 else "tick mid"
        parts.append(
            words(
                text.round_bitrate(tick), at + (12 if side == "tick end" else 0), height - 24, side
            )
        )
    parts.append(straight(x.start, y.start, x.end, y.start, "axis"))
    parts.append(
        words("average bitrate, logarithmic", (x.start + x.end) / 2, height - 5, "name mid")
    )
    parts.append(words("VMAF", 0, 10, "name"))
    return element("g", *parts)


def _reference(picture: RateQuality, x: Axis, y: Axis) -> str:
    if not picture.reference:
        return ""
    places = [(x.at(p.bitrate), y.at(p.vmaf)) for p in picture.reference]
    squares = [
        element(
            "rect",
            tip(
                f"{picture.reference_name} {text.resolution(p.width, p.height)}: "
                f"{text.bitrate(p.bitrate)}, VMAF {p.vmaf:.1f}"
            ),
            x=at[0] - 3.5,
            y=at[1] - 3.5,
            width=7,
            height=7,
        )
        for p, at in zip(picture.reference, places, strict=True)
    ]
    return element("g", polyline(places, "line"), *squares, class_="fixed")


def _marks(picture: RateQuality, x: Axis, y: Axis, *, narrow: bool) -> str:
    parts, anchors, names = [], [], []
    dots = [
        *marker_obstacles([(x.at(r), y.at(v)) for r, v in picture.hull]),
        *marker_obstacles([(x.at(p.bitrate), y.at(p.vmaf)) for p in picture.reference]),
        *((x.at(p.bitrate), y.at(p.vmaf)) for line in picture.lines for p in line.points),
    ]
    shown = [(i, m, m.point) for i, m in enumerate(picture.marks) if m.point]
    for index, mark, point in shown:
        group = []
        for at, what in ((mark.expected, "expected"), (mark.delivered, "delivered")):
            if at is None:
                continue
            place = (x.at(at[0]), y.at(at[1]))
            dots.append(place)
            told = tip(f"{mark.id}, {what}: {text.bitrate(at[0])}, VMAF {at[1]:.1f}")
            group.append(_marker(place, what, told))
        parts.append(element("g", *group, class_=f"rung r{index}"))
        anchors.append((x.at(point[0]), y.at(point[1])))
        names.append(mark.label(short=narrow))
    boxes = place_labels(
        anchors,
        [(len(name) * _FONT * _EM_WIDTH + 4, _FONT * 1.3) for name in names],
        [Box(px - 5, py - 5, px + 5, py + 5) for px, py in dots],
        Box(x.start + 2, y.end - 4, x.end, y.start - 2),
        gap=10,
    )
    for box, (ax, ay) in zip(boxes, anchors, strict=True):
        near = box.nearest(ax, ay)
        if abs(near[0] - ax) + abs(near[1] - ay) > 16:
            parts.append(straight(*near, ax, ay, "leader"))
    parts += [
        words(name, (box.left + box.right) / 2, box.bottom - 4, "label mid")
        for name, box in zip(names, boxes, strict=True)
    ]
    return element("g", *parts) if parts else ""


def _marker(place: tuple[float, float], what: str, told: str) -> str:
    px, py = place
    if what == "expected":
        return element("circle", told, cx=px, cy=py, r=6.5, class_="expected")
    corners = (
        f"{px:.1f},{py - 6:.1f} {px + 6:.1f},{py:.1f} {px:.1f},{py + 6:.1f} {px - 6:.1f},{py:.1f}"
    )
    return element("polygon", told, points=corners, class_="delivered")
