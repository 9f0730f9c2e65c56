"""The metrics by name: what each needs of FFmpeg, and where it does not apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from encoder.errors import UsageError
from encoder.media.colour import Colour

Source = Literal["model", "feature", "picture"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of scores.

    ``name`` is what results call it and ``model`` what it stands on. ``source`` says where FFmpeg
    gives it: a model or a feature of libvmaf (``key`` is its name there), or a filter that attaches
    it to the frames (``key`` is the filter). ``better`` is the direction, ``cap`` the value that a
    frame without any error counts as, where the metric has no upper end, and ``digits`` how many
    decimals are worth showing.
    """

    name: str
    model: str
    source: Source
    key: str
    unit: str
    better: Literal["higher", "lower"] = "higher"
    cap: float | None = None
    digits: int = 2


def _vmaf(name: str, model: str) -> Metric:
    return Metric(name, model, "model", model, "VMAF")


def _decibels(name: str, model: str, key: str) -> Metric:
    return Metric(name, model, "picture", key, "dB", cap=100.0)


_KNOWN = (
    _vmaf("vmaf", "vmaf_v0.6.1"),
    _vmaf("vmaf_neg", "vmaf_v0.6.1neg"),
    _vmaf("vmaf_4k", "vmaf_4k_v0.6.1"),
    _vmaf("vmaf_v1", "vmaf_v1.0.16_3d0h"),
    _decibels("psnr_y", "mse", "psnr"),
    _decibels("psnr_u", "mse", "psnr"),
    _decibels("psnr_v", "mse", "psnr"),
    # (6 Y + U + V) / 8, the weighting of the video coding groups (JVET-T2010, section 3.1).
    _decibels("psnr_weighted", "mse-6:1:1", "psnr"),
    Metric("ssim", "ffmpeg-8x8-luma", "picture", "ssim", "SSIM", digits=4),
    Metric("ms_ssim", "libvmaf-float-luma", "feature", "float_ms_ssim", "MS-SSIM", digits=4),
    _decibels("xpsnr_y", "xpsnr", "xpsnr"),
    _decibels("xpsnr_u", "xpsnr", "xpsnr"),
    _decibels("xpsnr_v", "xpsnr", "xpsnr"),
    # Banding of the distorted pictures alone: it needs no reference.
    Metric("cambi", "cambi", "feature", "cambi", "CAMBI", better="lower"),
)
_GROUPS = {
    "psnr": ("psnr_y", "psnr_u", "psnr_v", "psnr_weighted"),
    "xpsnr": ("xpsnr_y", "xpsnr_u", "xpsnr_v"),
    "ms-ssim": ("ms_ssim",),
    "neg": ("vmaf_neg",),
    "4k": ("vmaf_4k",),
}
DEFAULT = ("vmaf", "psnr", "ssim")
_BY_NAME = {one.name: one for one in _KNOWN}
#: What may be asked for, besides the full name of any model that libvmaf has.
NAMES = (*_BY_NAME, *_GROUPS)


def parse_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of that many names or comma-separated lists of them, each once.

    A name that begins with ``vmaf_`` and is not in :data:`NAMES` is taken for that of a model.

    Raises:
        UsageError: when a name is not known.
    """
    found: dict[str, Metric] = {}
    for name in (part.strip().lower() for text in names for part in text.split(",")):
        if not name:
            continue
        for one in _GROUPS.get(name, (name,)):
            metric = _BY_NAME.get(one)
            if metric is None and one.startswith("vmaf_") and one.replace(".", "_").isidentifier():
                metric = next((m for m in _KNOWN if m.model == one), _vmaf(one, one))
            if metric is None:
                near = get_close_matches(name, NAMES, 1)
                raise UsageError(
                    "No such metric",
                    where=name,
                    hint=(f"Did you mean {near[0]}? " if near else "")
                    + f"There are {', '.join(NAMES)}, and the names of libvmaf's models",
                )
            found[metric.name] = metric
    if not found:
        raise UsageError("No metric is named", hint=f"There are {', '.join(NAMES)}")
    return tuple(found.values())


# What CAMBI needs of the longer side, and with it the v1 family of models, which it is a part of.
_CAMBI_SIDE = 216
# These also look at pictures as if scaled by viewing distance: what each needs of the smaller side,
# found by sizes, by what a model's name ends in. FFmpeg crashes with less.
_V1_SIDES = {"_3d0h": 160, "_1d5h_2160": 160, "_5d0h": 266, "_3d0h_2160": 318}
_V1 = "vmaf_v1."
# libvmaf's MS-SSIM halves pictures four times and needs its window of 11 pixels in the last.
_MS_SSIM_SIDE = 176


# The filter takes lines to be as long as the picture is wide; FFmpeg pads them to 64 bytes. Found
# by widths of 400, 426 and 432 at 10 bits, which gave some 6 dB where 416 and 448 gave 30.
_XPSNR_WIDTH = 32


def why_not(metric: Metric, colour: Colour, size: tuple[int, int], pixel_format: str) -> str:
    """Why a metric says nothing about such pictures; empty when it applies."""
    if metric.key == "xpsnr" and pixel_format.endswith("le") and size[0] % _XPSNR_WIDTH:
        return (
            "FFmpeg's xpsnr filter misreads pictures of more than 8 bits whose width is not a "
            f"multiple of {_XPSNR_WIDTH}"
        )
    if metric.name == "ms_ssim" and min(size) < _MS_SSIM_SIDE:
        return f"MS-SSIM needs pictures of at least {_MS_SSIM_SIDE} pixels"
    family = metric.key.startswith(_V1)
    if (family or metric.key == "cambi") and max(size) < _CAMBI_SIDE:
        return f"CAMBI, by itself or in a model, needs pictures of at least {_CAMBI_SIDE} pixels"
    least = max(
        (n for end, n in _V1_SIDES.items() if family and metric.key.endswith(end)), default=0
    )
    if min(size) < least:
        return f"{metric.key} needs pictures of at least {least} pixels on either side"
    if not colour.is_hdr:
        return ""
    kind = "PQ" if colour.transfer == "smpte2084" else "HLG"
    if metric.source == "model":
        return f"VMAF's models were trained on SDR; of {kind} code values they say nothing"
    if metric.key == "cambi" and kind == "HLG":
        return "CAMBI has no model of HLG's transfer"
    return ""


def feature_text(metric: Metric, colour: Colour) -> str:
    """A feature of libvmaf as its filter takes it."""
    if metric.key == "cambi" and colour.transfer == "smpte2084":
        return "name=cambi:eotf=pq"
    return f"name={metric.key}"
