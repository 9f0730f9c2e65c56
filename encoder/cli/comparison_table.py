"""A comparison of ladders for people, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from encoder.cli.tables import bitrate, console, line, rate, row, seconds, table
from encoder.errors import printable

if TYPE_CHECKING:
    from rich.table import Table

    from encoder.media.comparison import Comparison, Side


def print_comparison(comparison: Comparison) -> None:
    """The rungs of both ladders, what they need and give at equal quality and bits, and to whom."""
    out = console()
    for side in (comparison.ours, comparison.reference):
        out.print(_rungs(side))
    out.print(_figures(comparison))
    conditions = comparison.conditions
    out.print(
        line(
            f"Both: {conditions.codec}, preset {conditions.preset}, {conditions.rate_control}; "
            f"{conditions.vmaf_model} at {conditions.width}x{conditions.height}, "
            f"{rate(conditions.frame_rate)} frames a second."
        )
    )
    if comparison.audience is not None:
        out.print(
            line(
                f"Audience {comparison.audience}, with {bitrate(comparison.audio_bitrate)} of "
                f"sound; VMAF counts up to {comparison.top_vmaf:g}."
            )
        )
    out.print(line(_verdict(comparison)))


def _rungs(side: Side) -> Table:
    made = table(
        "",
        printable(side.name),
        ">size",
        ">average",
        ">VMAF",
        ">PSNR-Y",
        ">SSIM",
        ">of the audience",
    )
    shares = [None] * len(side.rungs) if side.delivery is None else side.delivery.shares
    for rung, share in zip(side.rungs, shares, strict=True):
        row(
            made,
            f"{rung.width}x{rung.height}",
            bitrate(rung.bitrate),
            f"{rung.vmaf:.1f}",
            _or_dash(rung.psnr_y, ".2f"),
            _or_dash(rung.ssim, ".4f"),
            "-" if share is None else f"{share * 100:.1f}%",
        )
    return made


def _figures(comparison: Comparison) -> Table:
    ours, reference = comparison.ours, comparison.reference
    made = table("", "", f">{printable(ours.name)}", f">{printable(reference.name)}", ">difference")
    bd = comparison.bd_rate
    for name, value in (("VMAF", bd.vmaf), ("PSNR-Y", bd.psnr_y), ("SSIM", bd.ssim)):
        row(made, f"BD-rate, {name}", "", "", _percent(value))
    quality = comparison.equal_quality
    if quality is not None:
        row(
            made,
            f"bits at equal VMAF, mean of {quality.low:.0f} to {quality.high:.0f}",
            bitrate(quality.ours),
            bitrate(quality.reference),
            _percent(quality.change),
        )
    for need in comparison.at_quality:
        row(
            made,
            f"bits at VMAF {need.vmaf:g}",
            bitrate(need.ours),
            bitrate(need.reference),
            _percent(need.change),
        )
    bits = comparison.equal_bits
    if bits is not None:
        row(
            made,
            f"VMAF at equal bits, mean of {bitrate(bits.low)} to {bitrate(bits.high)}",
            f"{bits.ours:.1f}",
            f"{bits.reference:.1f}",
            _points(bits.difference),
        )
    for give in comparison.at_bitrate:
        row(
            made,
            f"VMAF at {bitrate(give.bitrate)}",
            _or_dash(give.ours, ".1f"),
            _or_dash(give.reference, ".1f"),
            _points(give.difference),
        )
    counts = len(ours.rungs), len(reference.rungs)
    row(made, "rungs", *(str(count) for count in counts), f"{counts[0] - counts[1]:+d}")
    row(
        made,
        f"storage of {seconds(comparison.duration)}",
        _megabytes(ours.storage),
        _megabytes(reference.storage),
        _percent(comparison.storage_change),
    )
    mine, theirs = ours.delivery, reference.delivery
    if mine is not None and theirs is not None:
        row(
            made,
            "audience: bits delivered",
            bitrate(round(mine.bitrate)),
            bitrate(round(theirs.bitrate)),
            _percent(comparison.delivered_bits_change),
        )
        row(
            made,
            "audience: VMAF received",
            f"{mine.vmaf:.1f}",
            f"{theirs.vmaf:.1f}",
            _points(comparison.delivered_vmaf_difference),
        )
        row(
            made,
            "audience: below the lowest rung",
            f"{mine.below_lowest * 100:.1f}%",
            f"{theirs.below_lowest * 100:.1f}%",
            f"{(mine.below_lowest - theirs.below_lowest) * 100:+.1f}%",
        )
    return made


def _verdict(comparison: Comparison) -> str:
    """The comparison in one sentence."""
    value = comparison.bd_rate.vmaf
    if value is None:
        said = f"No range of quality in common with {comparison.reference.name}"
    else:
        word = "fewer" if value < 0 else "more"
        said = f"{abs(value):.1f}% {word} bits than {comparison.reference.name} at equal VMAF"
    delivered = comparison.delivered_bits_change
    gained = comparison.delivered_vmaf_difference
    if delivered is None or gained is None:
        return f"{said}."
    word = "fewer" if delivered < 0 else "more"
    return (
        f"{said}; the audience receives {abs(delivered):.1f}% {word} bits, at {gained:+.1f} VMAF."
    )


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}%"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _megabytes(value: int) -> str:
    return f"{value / 1e6:,.1f} MB"
