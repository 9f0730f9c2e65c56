"""AV1 by SVT-AV1."""

from __future__ import annotations

from dataclasses import dataclass

from encoder.codecs.base import EncodeSettings
from encoder.codecs.levels import AV1_LEVELS, Level, level_of


@dataclass(frozen=True, slots=True)
class SvtAv1:
    """libsvtav1: Main profile, forced key frames, its own scene detection off."""

    name: str = "av1"
    encoder: str = "libsvtav1"
    presets: tuple[str, ...] = tuple(str(n) for n in range(14))
    default_preset: str = "8"
    crf_range: tuple[float, float] = (16.0, 63.0)
    # SVT-AV1 takes quarter steps of CRF; half a step moves the rate by less than can be measured.
    crf_step: float = 1.0
    trial_span: tuple[float, float] = (22.0, 54.0)
    varies_crf: bool = False
    buffer_start: float | None = None
    joining_filter: str | None = None
    max_level: str = "6.2"

    def level(self, name: str) -> Level:
        """A level of AV1, for Main tier."""
        return level_of(AV1_LEVELS, "AV1", name)

    def relative_cost(self, preset: str) -> float:
        """About that of x264's medium at preset 8, and a third more or less a preset."""
        return float(1.35 ** (8 - int(preset)))

    def options(self, settings: EncodeSettings) -> dict[str, str | int | float]:
        """Options for libsvtav1."""
        options: dict[str, str | int | float] = {
            "c:v": self.encoder,
            "preset": settings.preset,
            "pix_fmt": "yuv420p",
            "g": settings.gop_frames,
            # Cuts are found once for all rungs. SVT-AV1's result does not depend on its threads.
            "svtav1-params": "scd=0",
            "flags:v": "+bitexact",
        }
        if settings.crf is not None:
            options["crf"] = settings.crf
            if settings.max_bitrate is not None and settings.buffer_bits is not None:
                # Capped CRF: only maxrate beside crf; a buffer size is for its bitrate modes.
                options["maxrate:v"] = settings.max_bitrate
        if settings.bitrate is not None:
            # SVT-AV1 in VBR refuses maxrate; the rate of a GOP is held by its own control.
            options["b:v"] = settings.bitrate
        return options
