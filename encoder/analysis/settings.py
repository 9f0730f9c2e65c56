"""What analysis looks for, and how closely."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

# Fewer frames than this are a flash or a glitch at any frame rate.
_LEAST_FRAMES = 3


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """The choices of analysis; the defaults are for everything from films to screen captures.

    Likeness (see :mod:`encoder.analysis.likeness`) goes from 0 to 1: the share of the picture that
    neither motion nor a change of light can explain.

    Attributes:
        max_shot_seconds: longer shots are split evenly.
        min_shot_seconds: of two cuts that are closer, the clearer one counts; pictures that come
            back within this time were interrupted by a flash, not by a cut.
        picture_pixels: about how many pixels the downscaled pictures have.
        sample_seconds: the longest time from one picture that is measured by itself to the next;
            where the picture changes they are as close as the shortest shot is long.
        cut: the least unlikeness of the frames on both sides of a cut.
        cut_over_motion: how much more a cut needs, times the usual unlikeness of neighbours there.
        cut_lasting: the share of the unlikeness that must last for the shortest shot.
        transition: the least unlikeness of the pictures before and after a dissolve or a fade.
        dissolve_error: how far the middle of a dissolve may be from the mean of its two ends, as a
            share of the difference of the ends.
        dissolve_correlation: the greatest correlation of the two ends of a dissolve.

    Raises:
        ValueError: when a value makes no sense.
    """

    max_shot_seconds: Fraction = Fraction(10)
    min_shot_seconds: Fraction = Fraction(1, 5)
    picture_pixels: int = 480 * 272
    sample_seconds: Fraction = Fraction(1)
    cut: float = 0.26
    cut_over_motion: float = 0.8
    cut_lasting: float = 0.65
    transition: float = 0.4
    dissolve_error: float = 0.15
    dissolve_correlation: float = 0.5

    def __post_init__(self) -> None:
        if self.min_shot_seconds <= 0 or self.max_shot_seconds < 2 * self.min_shot_seconds:
            raise ValueError("a shot's maximum must be at least twice its minimum")
        if self.picture_pixels < 32 * 32 or self.sample_seconds <= 0:
            raise ValueError("pictures of fewer than 32x32 pixels, or none, tell nothing")
        shares = (self.cut, self.cut_lasting, self.transition, self.dissolve_error)
        if not all(0 < share <= 1 for share in shares) or self.cut_over_motion < 0:
            raise ValueError("thresholds are shares between 0 and 1")

    def min_shot_frames(self, frame_rate: Fraction) -> int:
        """The fewest frames of a shot."""
        return max(_LEAST_FRAMES, round(self.min_shot_seconds * frame_rate))

    def max_shot_frames(self, frame_rate: Fraction) -> int:
        """The most frames of a shot; at least twice the fewest, so that it can be split."""
        return max(2 * self.min_shot_frames(frame_rate), int(self.max_shot_seconds * frame_rate))
