"""Looks at the machine: FFmpeg, its encoders and filters, the libraries, the store, the disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from encoder.encode.audio_graph import HE_AAC_ENCODERS, he_aac_encoder
from encoder.engine.store import ENVIRONMENT_VARIABLE, Store, default_root
from encoder.errors import EncoderError
from encoder.ffmpeg.locate import Capabilities, Ffmpeg, capabilities, locate
from encoder.ffmpeg.process import ProcessFailed, run
from encoder.ladder.decide import VMAF_MODEL

SCHEMA = "encoder.doctor/1"

_USE_OURS = "leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the install"
_ENCODERS = (
    ("libx264", True, "H.264 renditions"),
    ("aac", True, "audio"),
    ("ac3", False, "5.1 as Dolby Digital"),
    ("eac3", False, "5.1 as Dolby Digital Plus"),
    ("libopus", False, "Opus for DASH"),
    ("libsvtav1", False, "AV1 renditions (--codec av1)"),
)
_FILTERS = (
    ("libvmaf", True, "trials and VMAF scores"),
    ("psnr", True, "PSNR scores"),
    ("ssim", True, "SSIM scores"),
    ("idet", True, "finding interlaced masters"),
    ("bwdif", True, "deinterlacing"),
    ("sidedata", True, "rotated masters"),
    ("setparams", True, "signalling colour"),
    ("framestep", True, "masters above the policy's frame rate"),
    ("ebur128", True, "loudness"),
    ("zscale", False, "HDR and BT.2020 masters"),
    ("tonemap", False, "HDR masters"),
)
_LITTLE_SPACE = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` says what to do when it is not ``ok``."""

    name: str
    ok: bool
    required: bool
    found: str
    needed_for: str
    mend: str


def ready(findings: Sequence[Finding]) -> bool:
    """Whether everything is there that the main job needs."""
    return all(one.ok or not one.required for one in findings)


def doctor_document(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as one JSON object."""
    return {
        "schema": SCHEMA,
        "ok": ready(findings),
        "findings": [asdict(one) for one in findings],
    }


def examine(choice: str | None) -> tuple[Finding, ...]:
    """Looks at everything, and does not stop at what is missing.

    Args:
        choice: the FFmpeg, as :func:`encoder.ffmpeg.locate.locate` takes it.
    """
    findings = [
        Finding(
            "Python",
            sys.version_info >= (3, 11),
            True,
            platform.python_version(),
            "everything",
            "install Python 3.11 or later",
        ),
        Finding("PyAV", True, True, version("av"), "probing", ""),
    ]
    try:
        ffmpeg = locate(choice)
        able = capabilities(ffmpeg)
    except EncoderError as error:
        findings.append(Finding("FFmpeg", False, True, str(error), "everything", error.hint))
    else:
        findings.append(
            Finding(
                "FFmpeg",
                True,
                True,
                f"{ffmpeg.version} ({ffmpeg.origin}): {ffmpeg.path}",
                "everything",
                "",
            )
        )
        findings += _abilities(ffmpeg, able)
    findings += _places()
    return tuple(findings)


def _abilities(ffmpeg: Ffmpeg, able: Capabilities) -> list[Finding]:
    findings = [
        Finding(
            f"encoder {n}", n in able.encoders, required, _yes(n in able.encoders), why, _USE_OURS
        )
        for n, required, why in _ENCODERS
    ]
    he_aac = he_aac_encoder(able)
    findings.append(
        Finding(
            f"encoder {' or '.join(HE_AAC_ENCODERS)}",
            he_aac is not None,
            False,
            he_aac or "no",
            "HE-AAC for the lowest rung",
            "name an FFmpeg that has one with --ffmpeg; without, that rung has AAC alone",
        )
    )
    findings += [
        Finding(f"filter {n}", n in able.filters, required, _yes(n in able.filters), why, _USE_OURS)
        for n, required, why in _FILTERS
    ]
    findings.append(
        Finding(
            "loopback decoders",
            able.loopback_decoders,
            True,
            _yes(able.loopback_decoders),
            "trials measured without files",
            f"FFmpeg 7 or later is needed: {_USE_OURS}",
        )
    )
    if "libvmaf" in able.filters:
        works = _model_works(ffmpeg)
        findings.append(
            Finding(
                f"model {VMAF_MODEL}",
                works,
                True,
                _yes(works),
                "VMAF scores",
                f"this libvmaf was built without its models: {_USE_OURS}",
            )
        )
    return findings


def _yes(found: bool) -> str:
    return "yes" if found else "no"


def _model_works(ffmpeg: Ffmpeg) -> bool:
    picture = "color=s=256x144:d=0.1:r=10"
    command = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", picture, "-filter_complex"]
    command += [f"libvmaf=model=version={VMAF_MODEL}", "-f", "null", "-"]
    try:
        with TemporaryDirectory() as folder:
            run(ffmpeg, command, folder=Path(folder))
    except (ProcessFailed, EncoderError):
        return False
    return True


def _places() -> list[Finding]:
    root = default_root()
    try:
        Store(root)
        free = shutil.disk_usage(root).free
    except (EncoderError, OSError) as error:
        return [
            Finding(
                "store",
                False,
                True,
                str(error),
                "keeping finished steps",
                f"set {ENVIRONMENT_VARIABLE} to a folder that can be written",
            )
        ]
    return [
        Finding("store", True, True, str(root), "keeping finished steps", ""),
        Finding(
            "disk",
            free >= _LITTLE_SPACE,
            False,
            f"{free / 1e9:.1f} GB free at the store",
            "renditions of long masters",
            f"free some space, or set {ENVIRONMENT_VARIABLE} to another disk",
        ),
        Finding("cores", True, False, str(os.cpu_count() or 1), "speed", ""),
    ]
