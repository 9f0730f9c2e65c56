"""What the signatures of two files mean: the frames to compare, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from encoder.errors import MeasureError
from encoder.score.alignment import refuse
from encoder.score.sides import Side
from encoder.score.signatures import Jump, Reading, Signatures, read_alignment

# Correlation of matched pictures: encodes of the worst quality are above the first, other framings
# of the same scenes below it; other scenes are below the second.
_SAME = 0.9
_RELATED = 0.5
# Limited range shown as full, and full as limited (ITU-R BT.601): gain and lift of luma.
_RANGES = (
    (255 / 219, -16 * 255 / 219, "limited-range pictures were stretched to full range"),
    (219 / 255, 16.0, "full-range pictures were squeezed into limited range"),
)
_GAIN_SLACK, _LIFT_SLACK = 0.025, 3.0
_OTHER_LEVELS = 0.15


@dataclass(frozen=True, slots=True)
class Window:
    """Which frames of both files are compared: a start in each, and how many."""

    reference_start: int
    distorted_start: int
    frames: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The frames to compare, and a sentence for each thing that was done about it."""

    window: Window
    notes: tuple[str, ...]


def judge(
    reference: Side,
    distorted: Side,
    ours: Signatures,
    theirs: Signatures,
    *,
    automatic: bool,
) -> Verdict:
    """Says which frames of two files belong together.

    Args:
        reference: the one side, for messages.
        distorted: the other.
        ours: signatures of all frames of the reference.
        theirs: of the distorted file.
        automatic: whether frames that only one side has, at its start or end, may be left out.

    Raises:
        MeasureError: when they do not belong together, or not without leaving frames out.
    """
    for side, values in ((reference, ours), (distorted, theirs)):
        if not len(values):
            raise MeasureError(
                "There is nothing to compare",
                where=side.name,
                why="no picture could be decoded",
                hint="Play the file to see whether it is damaged",
            )

    def no(why: str, hint: str) -> MeasureError:
        return refuse(reference.name, distorted.name, why, hint)

    reading = read_alignment(ours, theirs)
    _same_pictures(reading, no)
    if reading.jumps:
        raise _jumped(reading.jumps, len(ours), len(theirs), no)
    return _window(reading, len(ours), len(theirs), automatic, no)


_No = Callable[[str, str], MeasureError]


def _same_pictures(reading: Reading, no: _No) -> None:
    if reading.likeness is not None and reading.likeness < _RELATED:
        raise no(
            "They show different things: the reference is of another title, or of another part "
            f"of it (correlation of the pictures {reading.likeness:.2f})",
            "Give the reference that the file was made from.",
        )
    if reading.likeness is not None and reading.likeness < _SAME:
        raise no(
            "They show the same in another framing: a crop, a zoom, bars or a turn (correlation "
            f"of the pictures {reading.likeness:.2f})",
            "Cut or pad the reference as the file was, or encode again from this reference.",
        )
    for gain, lift, what in _RANGES:
        near = abs(reading.gain - gain) < _GAIN_SLACK and abs(reading.lift - lift) < _LIFT_SLACK
        if near:
            raise no(
                f"Their luma levels differ by a change of range that their headers do not tell: "
                f"{what} (gain {reading.gain:.3f}, lift {reading.lift:+.1f})",
                "Set the range of the wrong one right (setparams=range=...) and encode again.",
            )
    if abs(reading.gain - 1) > _OTHER_LEVELS:
        raise no(
            f"Their luma levels differ (gain {reading.gain:.2f}, lift {reading.lift:+.1f}): "
            "another transfer, tone mapping or grading",
            "Compare with a reference that went through the same colour conversion.",
        )


def _jumped(jumps: tuple[Jump, ...], ours: int, theirs: int, no: _No) -> MeasureError:
    first = jumps[0]
    steps = {jump.after - jump.before for jump in jumps}
    if len(jumps) >= 4 and len(steps) == 1:
        gaps = np.diff([jump.frame for jump in jumps])
        if gaps.max() - gaps.min() <= max(1, round(float(np.median(gaps)) / 4)):
            what = "repeats" if first.after < first.before else "lacks"
            return no(
                f"It {what} a picture every {float(np.median(gaps)):.0f} frames, from frame "
                f"{first.frame} on: its rate was converted (telecine or pulldown)",
                "Encode at the reference's rate, or undo it first: `-vf fieldmatch,decimate` for "
                "telecine, `-vf mpdecimate` for repeated pictures.",
            )
    size = abs(first.after - first.before)
    back = len(jumps) > 1 and jumps[1].after == first.before
    length = jumps[1].frame - first.frame if back else 0
    if back and length <= 2 * size + 1:
        why = (
            f"Frame {first.frame} is not that of the reference but shows its frame "
            f"{first.frame + first.after}, and frame {jumps[1].frame} is right again: a frame was "
            "dropped and its place filled"
        )
    elif first.after < first.before:
        why = (
            f"Frame {first.frame} is repeated or inserted: from there on, frames are "
            f"{size} later than in the reference (frame {first.frame} shows the reference's "
            f"{first.frame + first.after})"
        )
    else:
        missing = first.frame + first.before
        which = f"frame {missing}" if size == 1 else f"frames {missing} to {missing + size - 1}"
        why = (
            f"The reference's {which} {'is' if size == 1 else 'are'} missing: the file's frame "
            f"{first.frame} shows the reference's {first.frame + first.after}"
        )
    if len(jumps) > (2 if back else 1):
        why += f"; there are {len(jumps)} such jumps"
    return no(f"{why}. The reference has {ours} frames, the file {theirs}", _ENCODE_AGAIN)


_ENCODE_AGAIN = (
    "Encode again without dropping or repeating frames (-fps_mode passthrough); a hole in the "
    "middle cannot be aligned away."
)


def _window(reading: Reading, ours: int, theirs: int, automatic: bool, no: _No) -> Verdict:
    offset = reading.offset
    start, other = max(0, offset), max(0, -offset)
    count = min(ours - start, theirs - other)
    if count < 1:
        raise no("No frame is common to both", "Give the reference that the file was made from.")
    window = Window(start, other, count)
    notes = []
    if start:
        notes.append(f"it starts with the reference's frame {start}: {start} left out there")
    if other:
        notes.append(f"it has {other} frames before the reference's first: left out")
    if tail := ours - start - count:
        notes.append(f"it lacks the reference's last {tail} frames: left out there")
    if tail := theirs - other - count:
        notes.append(f"it has {tail} frames after the reference's last: left out")
    if notes and not automatic:
        cause = (
            f"It is off by {abs(offset)} frame{'s' if abs(offset) != 1 else ''}: its frame "
            f"{other} shows the reference's frame {start}. "
            if offset
            else ""
        )
        raise no(
            f"{cause}The reference has {ours} frames, the file {theirs}",
            f"--align auto compares the {count} frames that both have; better, encode without "
            "dropping frames at the start or end.",
        )
    return Verdict(window, tuple(notes))
