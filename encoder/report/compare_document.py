"""A comparison of ladders as JSON; docs/json-verbs.md says what each field is."""

from __future__ import annotations

from encoder.media.audience import ExpectedDelivery
from encoder.media.comparison import Comparison, Side
from encoder.media.serial import fraction_text
from encoder.report.plain import Plain, number, seconds

COMPARISON_SCHEMA = "encoder.ladder_comparison/1"
_SSIM_DIGITS = 6


def comparison_document(comparison: Comparison) -> Plain:
    """Two ladders side by side."""
    conditions = comparison.conditions
    quality, bits = comparison.equal_quality, comparison.equal_bits
    return {
        "schema": COMPARISON_SCHEMA,
        "duration": seconds(comparison.duration),
        "conditions": {
            "codec": conditions.codec,
            "preset": conditions.preset,
            "rate_control": conditions.rate_control,
            "vmaf_model": conditions.vmaf_model,
            "resolution": f"{conditions.width}x{conditions.height}",
            "frame_rate": fraction_text(conditions.frame_rate),
        },
        "ours": _side(comparison.ours),
        "reference": _side(comparison.reference),
        "bd_rate": {
            "vmaf": number(comparison.bd_rate.vmaf),
            "psnr_y": number(comparison.bd_rate.psnr_y),
            "ssim": number(comparison.bd_rate.ssim),
        },
        "equal_quality": None
        if quality is None
        else {
            "from_vmaf": number(quality.low),
            "to_vmaf": number(quality.high),
            "ours": quality.ours,
            "reference": quality.reference,
            "change": number(quality.change),
        },
        "at_quality": [
            {
                "vmaf": number(at.vmaf),
                "ours": at.ours,
                "reference": at.reference,
                "change": number(at.change),
            }
            for at in comparison.at_quality
        ],
        "equal_bits": None
        if bits is None
        else {
            "from_bitrate": bits.low,
            "to_bitrate": bits.high,
            "ours": number(bits.ours),
            "reference": number(bits.reference),
            "difference": number(bits.difference),
        },
        "at_bitrate": [
            {
                "bitrate": at.bitrate,
                "ours": number(at.ours),
                "reference": number(at.reference),
                "difference": number(at.difference),
            }
            for at in comparison.at_bitrate
        ],
        "storage_change": number(comparison.storage_change),
        "audience": None
        if comparison.audience is None
        else {
            "name": comparison.audience,
            "top_vmaf": number(comparison.top_vmaf),
            "audio_bitrate": comparison.audio_bitrate,
            "bitrate_change": number(comparison.delivered_bits_change),
            "vmaf_difference": number(comparison.delivered_vmaf_difference),
        },
    }


def _side(side: Side) -> Plain:
    delivery = side.delivery
    shares = (None,) * len(side.rungs) if delivery is None else delivery.shares
    return {
        "name": side.name,
        "rungs": [
            {
                "width": rung.width,
                "height": rung.height,
                "bitrate": rung.bitrate,
                "vmaf": number(rung.vmaf),
                "psnr_y": number(rung.psnr_y),
                "ssim": number(rung.ssim, _SSIM_DIGITS),
                "share": number(share),
            }
            for rung, share in zip(side.rungs, shares, strict=True)
        ],
        "rung_count": len(side.rungs),
        "storage": side.storage,
        "delivery": None if delivery is None else _delivery(delivery),
    }


def _delivery(delivery: ExpectedDelivery) -> Plain:
    return {
        "bitrate": round(delivery.bitrate),
        "vmaf": number(delivery.vmaf),
        "below_lowest": number(delivery.below_lowest),
    }
