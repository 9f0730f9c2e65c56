"""The seam behind which encoders live: one module per codec, one line to register it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from encoder.codecs.levels import Level
from encoder.errors import UsageError
from encoder.media.frames import FrameRange


@dataclass(frozen=True, slots=True)
class CrfZone:
    """The CRF of a range of an encode's own frames, which start at 0."""

    frames: FrameRange
    crf: float


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """What one encode is asked for, in no encoder's words.

    Exactly one of ``crf`` and ``bitrate`` is set. ``max_bitrate`` (bits per second) and
    ``buffer_bits`` are the video buffering verifier's; without them the rate is not capped.
    ``gop_frames`` is the longest distance of IDR frames, which are otherwise forced from outside.
    ``buffer_start`` is how full the decoder's buffer is at the first frame, 0 to 1; None leaves
    it to the encoder.
    ``max_level`` is the highest level that decoders must be able to do, None for the codec's own
    limit.
    ``zones`` are ranges of frames with a CRF of their own, in order; ``crf`` holds outside of them.
    """

    frame_rate: Fraction
    width: int
    height: int
    preset: str
    gop_frames: int
    crf: float | None = None
    bitrate: int | None = None
    max_bitrate: int | None = None
    buffer_bits: int | None = None
    zones: tuple[CrfZone, ...] = ()
    buffer_start: float | None = None
    max_level: str | None = None

    def __post_init__(self) -> None:
        if (self.crf is None) == (self.bitrate is None):
            raise ValueError("an encode has either a CRF or a bitrate")
        if self.zones and self.crf is None:
            raise ValueError("zones of CRF in an encode to a bitrate")


class Codec(Protocol):
    """What the program must know of a codec and its encoder.

    ``crf_range`` is the sensible part of the quality scale, best first; ``trial_span`` the part of
    it over which trials are spread.
    """

    @property
    def name(self) -> str:
        """The codec's name in policies and reports, such as ``h264``."""

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""

    @property
    def presets(self) -> tuple[str, ...]:
        """Speed presets, slowest first."""

    @property
    def default_preset(self) -> str:
        """The preset of a policy that names none."""

    @property
    def crf_range(self) -> tuple[float, float]:
        """Lowest (best) and highest CRF that a rung may have."""

    @property
    def crf_step(self) -> float:
        """The finest step of CRF that the encoder heeds."""

    @property
    def trial_span(self) -> tuple[float, float]:
        """The lowest and the highest CRF of trials."""

    @property
    def varies_crf(self) -> bool:
        """Whether CRF can change inside one encode; if not, :class:`EncodeSettings` has no zones
        and each range of frames is encoded apart."""

    @property
    def buffer_start(self) -> float | None:
        """How full the decoder's buffer is, 0 to 1, at the start of an encode that says nothing of
        it; None when the encoder does not keep to a buffer model, but only near a rate."""

    @property
    def max_level(self) -> str:
        """The level that nothing goes beyond unless a policy allows it."""

    def level(self, name: str) -> Level:
        """What decoders of that level can do.

        Raises:
            UsageError: when the codec has no such level.
        """

    @property
    def joining_filter(self) -> str | None:
        """FFmpeg's bitstream filter for encodes that will follow each other in one track; None when
        nothing needs to be taken out."""

    def relative_cost(self, preset: str) -> float:
        """CPU time of encoding a picture at a preset, about, x264's medium being 1."""

    def options(self, settings: EncodeSettings) -> dict[str, str | int | float]:
        """FFmpeg's output options for the encode, as ffmpeg-python takes them.

        Deterministic for a version of the encoder: the number of threads is fixed wherever it
        would change the result.
        """


_REGISTRY: dict[str, Codec] = {}


def register(codec: Codec) -> None:
    """Makes a codec known by its name."""
    _REGISTRY[codec.name] = codec


def codec_named(name: str) -> Codec:
    """The codec of that name.

    Raises:
        UsageError: when there is none.
    """
    try:
        return _REGISTRY[name]
    except KeyError:
        raise UsageError(
            "Unknown codec", where=name, hint=f"Choose one of {', '.join(sorted(_REGISTRY))}"
        ) from None


def check_preset(codec: Codec, preset: str) -> str:
    """The preset, if the codec has it.

    Raises:
        UsageError: when it has not.
    """
    if preset not in codec.presets:
        raise UsageError(
            f"Unknown preset for {codec.name}",
            where=preset,
            hint=f"Choose one of {', '.join(codec.presets)}",
        )
    return preset
