"""H.264 by x264."""

from __future__ import annotations

from dataclasses import dataclass

from encoder.codecs.base import EncodeSettings
from encoder.codecs.levels import AVC_LEVELS, Level, level_of

# With frame threads, x264 plans for a decoder's buffer by how far other frames have got: what it
# makes then differs from run to run wherever the buffer matters. Of one thread it is always the
# same; rungs and chunks keep other cores busy.
_THREADS = 1
# Pictures that x264 refers to at a preset.
_REFERENCES = {
    "placebo": 16,
    "veryslow": 16,
    "slower": 8,
    "slow": 5,
    "medium": 3,
    "fast": 2,
    "faster": 2,
    "veryfast": 1,
    "superfast": 1,
    "ultrafast": 1,
}
_COSTS = {
    "placebo": 12.0,
    "veryslow": 5.0,
    "slower": 3.2,
    "slow": 1.6,
    "medium": 1.0,
    "fast": 0.9,
    "faster": 0.7,
    "veryfast": 0.5,
    "superfast": 0.33,
    "ultrafast": 0.2,
}


@dataclass(frozen=True, slots=True)
class X264:
    """libx264: High profile, closed GOPs, IDR frames only where they are forced."""

    name: str = "h264"
    encoder: str = "libx264"
    presets: tuple[str, ...] = (
        "placebo",
        "veryslow",
        "slower",
        "slow",
        "medium",
        "fast",
        "faster",
        "veryfast",
        "superfast",
        "ultrafast",
    )
    default_preset: str = "medium"
    crf_range: tuple[float, float] = (14.0, 44.0)
    crf_step: float = 0.5
    trial_span: tuple[float, float] = (19.0, 37.0)
    varies_crf: bool = True
    buffer_start: float | None = 0.9  # x264's vbv-init
    # x264's settings as text, which every encode would repeat (SEI).
    joining_filter: str | None = "filter_units=remove_types=6"
    # HLS authoring specification 1.3b.
    max_level: str = "5.2"

    def level(self, name: str) -> Level:
        """A level of H.264, for High profile."""
        return level_of(AVC_LEVELS, "H.264", name)

    def relative_cost(self, preset: str) -> float:
        """As measured at 720p, to be planned by."""
        return _COSTS[preset]

    def options(self, settings: EncodeSettings) -> dict[str, str | int | float]:
        """Options for libx264."""
        options: dict[str, str | int | float] = {
            "c:v": self.encoder,
            "preset": settings.preset,
            "profile:v": "high",
            "pix_fmt": "yuv420p",
            "g": settings.gop_frames,
            # Cuts are found once for all rungs; an encoder's own would differ from rung to rung.
            "sc_threshold": 0,
            # A forced keyframe must be an IDR, or players cannot switch there.
            "forced-idr": 1,
            "flags:v": "+cgop+bitexact",
            "threads:v": _THREADS,
            "x264-params": ":".join(_params(settings)),
        }
        # x264 names the least level that its pictures, rates and references need.
        level = self.level(settings.max_level or self.max_level)
        most = level.references(settings.width, settings.height)
        if most is not None and most < _REFERENCES[settings.preset]:
            options["refs"] = most
        if settings.crf is not None:
            options["crf"] = settings.crf
        if settings.bitrate is not None:
            options["b:v"] = settings.bitrate
        if settings.max_bitrate is not None and settings.buffer_bits is not None:
            options["maxrate:v"] = settings.max_bitrate
            options["bufsize:v"] = settings.buffer_bits
        return options


def _params(settings: EncodeSettings) -> list[str]:
    # The picture parameter set would otherwise start from the encode's own CRF: encodes at other
    # CRFs could not follow each other in one track.
    params = ["stitchable=1"]
    if settings.buffer_start is not None:
        params.append(f"vbv-init={settings.buffer_start:g}")
    if settings.zones:
        # The last frame of x264's zones is inside; neither "," nor "/" means anything to FFmpeg.
        zones = (f"{z.frames.start},{z.frames.end - 1},crf={z.crf:g}" for z in settings.zones)
        params.append("zones=" + "/".join(zones))
    return params
