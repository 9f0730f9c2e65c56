"""Two ladders of a title side by side, measured under the same conditions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from encoder.media.audience import ExpectedDelivery


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the rungs of a ladder were made and measured; equal on both sides of a comparison.

    ``rate_control`` says for people what bounds the rate: ``CRF with VBV``. Scores are means over
    the frames with ``vmaf_model``, at ``width`` times ``height`` pixels and ``frame_rate`` frames
    per second.
    """

    codec: str
    preset: str
    rate_control: str
    vmaf_model: str
    width: int
    height: int
    frame_rate: Fraction


@dataclass(frozen=True, slots=True)
class MeasuredRung:
    """A rung as it was measured: average bits per second of video, and mean scores.

    ``psnr_y`` is in dB; it and ``ssim`` are None where they were not measured.
    """

    width: int
    height: int
    bitrate: int
    vmaf: float
    psnr_y: float | None
    ssim: float | None


@dataclass(frozen=True, slots=True)
class MeasuredLadder:
    """A ladder to compare: what it is called, and its rungs in any order."""

    name: str
    conditions: Conditions
    rungs: tuple[MeasuredRung, ...]


@dataclass(frozen=True, slots=True)
class BdRates:
    """Bjontegaard's delta rates in per cent, negative when fewer bits are needed.

    None where a metric was not measured, or the ladders share too little of its range.
    """

    vmaf: float | None
    psnr_y: float | None
    ssim: float | None


@dataclass(frozen=True, slots=True)
class AtQuality:
    """Bits per second that each ladder needs for a VMAF; None where it does not reach it."""

    vmaf: float
    ours: int | None
    reference: int | None

    @property
    def change(self) -> float | None:
        """How many more bits ours needs, in per cent."""
        return change(self.ours, self.reference)


@dataclass(frozen=True, slots=True)
class AtBitrate:
    """VMAF of each ladder's curve at bits per second; None outside its rungs."""

    bitrate: int
    ours: float | None
    reference: float | None

    @property
    def difference(self) -> float | None:
        """How much better ours is, in points of VMAF."""
        if self.ours is None or self.reference is None:
            return None
        return self.ours - self.reference


@dataclass(frozen=True, slots=True)
class EqualQuality:
    """Mean bits per second over the VMAF from ``low`` to ``high``, which both ladders reach."""

    low: float
    high: float
    ours: int
    reference: int

    @property
    def change(self) -> float:
        """How many more bits ours needs on average, in per cent."""
        return (self.ours / self.reference - 1) * 100


@dataclass(frozen=True, slots=True)
class EqualBits:
    """Mean VMAF over the bitrates from ``low`` to ``high``, which both ladders have.

    The mean is taken over the logarithm of the bitrate.
    """

    low: int
    high: int
    ours: float
    reference: float

    @property
    def difference(self) -> float:
        """How much better ours is on average, in points of VMAF."""
        return self.ours - self.reference


@dataclass(frozen=True, slots=True)
class Side:
    """What one ladder comes to.

    ``storage`` is bytes of video of all rungs; ``delivery`` what the audience receives, None where
    none is given.
    """

    name: str
    rungs: tuple[MeasuredRung, ...]
    storage: int
    delivery: ExpectedDelivery | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our ladder against another, both under the same ``conditions``.

    ``top_vmaf`` is the quality above which none is counted for the audience, ``audio_bitrate`` the
    sound that is played along, both for ``audience``, which is None where none is given.
    """

    conditions: Conditions
    duration: Fraction
    ours: Side
    reference: Side
    bd_rate: BdRates
    equal_quality: EqualQuality | None
    at_quality: tuple[AtQuality, ...]
    equal_bits: EqualBits | None
    at_bitrate: tuple[AtBitrate, ...]
    audience: str | None
    top_vmaf: float
    audio_bitrate: int

    @property
    def storage_change(self) -> float:
        """How many more bytes ours takes to keep, in per cent."""
        return (self.ours.storage / self.reference.storage - 1) * 100

    @property
    def delivered_bits_change(self) -> float | None:
        """How many more bits the audience receives of ours, in per cent."""
        if self.ours.delivery is None or self.reference.delivery is None:
            return None
        return change(self.ours.delivery.bitrate, self.reference.delivery.bitrate)

    @property
    def delivered_vmaf_difference(self) -> float | None:
        """How much better what the audience receives of ours is, in points of expected VMAF."""
        if self.ours.delivery is None or self.reference.delivery is None:
            return None
        return self.ours.delivery.vmaf - self.reference.delivery.vmaf


def change(ours: float | None, reference: float | None) -> float | None:
    """How much more ours is, in per cent; None where either does not exist, or is of nothing."""
    if ours is None or not reference:
        return None
    return (ours / reference - 1) * 100
