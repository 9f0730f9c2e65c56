"""What the signatures of two files mean: the frames to compare, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile

import numpy as np

from encoder.errors import MeasureError
from encoder.score.alignment import refuse
from encoder.score.arrived import AROUND, find_arrival, shows_another
from encoder.score.colours import find_mistake
from encoder.score.converted import find_conversion
from encoder.score.framing import find_framing
from encoder.score.reading import Jump, Reading, read_alignment
from encoder.score.sides import Side
from encoder.score.signatures import Signatures, varying

# Correlation of matched pictures: encodes of the worst quality are above the first, other framings
# of the same scenes below it; other scenes are below the second, where motion does not tell.
_SAME = 0.82
_RELATED = 0.5
# Correlation of how much changes from frame to frame: the same scenes in another framing are above.
_SAME_MOTION = 0.6
# Jumps that are regular, at least, and how many frames they are off a line at most.
_REGULAR, _IRREGULAR = 3, 1.5
# Frames at an end that must tell that none is missing there, and what cells differ by at most where
# nothing moves, in 8-bit code values.
_END, _STILL = 48, 0.05
# Frames that a video has at least.
_LEAST = 2
# What pictures differ by, root mean square in 8-bit code values, for their correlation to say
# anything: dark and flat ones lose it to compression.
_OTHER = 5.0


UNTOLD = (
    "whether it is off by a frame or a few cannot be told: the pictures move too little, too "
    "evenly, or less than the encode's errors; score a longer part with more motion, or an encode "
    "of the same settings at a higher rate, to know"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which frames of both files are compared: a start in each, and how many."""

    reference_start: int
    distorted_start: int
    frames: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The frames to compare, and a sentence for each thing that was done about it.

    ``certain`` is whether the pictures tell that these frames belong together, and no others.
    """

    window: Window
    notes: tuple[str, ...]
    certain: bool


def judge(
    reference: Side,
    distorted: Side,
    ours: Signatures,
    theirs: Signatures,
    *,
    automatic: bool,
    cut: bool = False,
) -> Verdict:
    """Says which frames of two files belong together.

    Args:
        reference: the one side, for messages.
        distorted: the other.
        ours: signatures of all frames of the reference.
        theirs: of the distorted file.
        automatic: whether frames that only one side has, at its start or end, may be left out.
        cut: whether the reference was cut to the other's shape.

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

    if min(len(ours), len(theirs)) < _LEAST:
        raise _one_frame(reference, distorted, len(ours), len(theirs))
    reading = read_alignment(ours, theirs)
    # Frames that are missing all at once, or are few, are not from a conversion.
    many = abs(len(ours) - len(theirs))
    few = 0 < len(reading.jumps) < min(_REGULAR, many / 2)
    regular = many >= _REGULAR and not few
    ratio = find_conversion(ours, theirs, reading.usual) if regular else None
    if ratio is not None:
        raise _converted(ratio, len(ours), len(theirs), no)
    _same_pictures(reading, ours, theirs, no, cut=cut)
    if reading.jumps:
        raise _jumped(reading.jumps, len(ours), len(theirs), no)
    verdict = _window(reading, len(ours), len(theirs), automatic, no)
    if verdict.window.frames < _LEAST:
        raise _one_frame(reference, distorted, len(ours), len(theirs))
    if verdict.window.frames < max(len(ours), len(theirs)):
        notes = (*verdict.notes, *_ends(ours, theirs, verdict.window, no))
        verdict = replace(verdict, notes=notes)
    if reading.doubted is not None:
        verdict = replace(verdict, notes=(*verdict.notes, _doubt(reading.doubted)))
    return verdict


def _doubt(frame: int) -> str:
    return (
        f"frame {frame} shows next to nothing of what moves there: it may repeat the one before, "
        "or the encode left it so"
    )


def _one_frame(reference: Side, distorted: Side, ours: int, theirs: int) -> MeasureError:
    return refuse(
        reference.name,
        distorted.name,
        f"A single frame is no video: the reference has {ours} frame{'s' * (ours != 1)}, the "
        f"file {theirs}. That they belong together cannot be told from one picture, and VMAF's "
        "motion is that from the frame before",
        "Give files of two frames or more.",
    )


_No = Callable[[str, str], MeasureError]


def _same_pictures(
    reading: Reading, ours: Signatures, theirs: Signatures, no: _No, *, cut: bool
) -> None:
    framing = find_framing(ours, theirs, reading.usual)
    other = reading.likeness is not None and reading.likeness < _SAME and reading.rest > _OTHER
    said = f"correlation of the pictures {reading.likeness or 0:.2f}"
    related = (reading.likeness or 0) >= _RELATED
    if reading.motion is not None:
        said += f", of their motion {reading.motion:.2f}"
        related = reading.motion >= _SAME_MOTION
    if cut and (other or framing is not None):
        raise no(
            "Cut around its centre, the reference does not show what the file does: it was "
            f"cropped elsewhere, or shows different things ({said})",
            "Cut the reference as the file was, and score against that.",
        )
    if other and not related and not (framing is not None and framing.turned):
        raise no(
            "They show different things: the reference is of another title, or of another part "
            f"of it ({said})",
            "Give the reference that the file was made from.",
        )
    mistake = find_mistake(ours, theirs, reading.usual)
    if mistake is not None and not other:
        raise no(mistake.what, mistake.hint)
    if framing is not None or other:
        what = f"against the reference, {framing.what}" if framing else "a crop, bars or a turn"
        raise no(
            f"They show the same in another framing: {what} ({said})",
            "Cut, pad or turn the reference as the file was, or encode again from this reference.",
        )


def _converted(ratio: Fraction, ours: int, theirs: int, no: _No) -> MeasureError:
    many = f"{ratio.numerator} picture{'s' * (ratio.numerator > 1)}"
    each = "each" if ratio.denominator == 1 else f"every {ratio.denominator}"
    return no(
        f"It has {many} for {each} of the reference's: its rate was converted (telecine or "
        f"pulldown). The reference has {ours} frames, the file {theirs}",
        _UNDO_RATE,
    )


_UNDO_RATE = (
    "Encode at the reference's rate, or undo it first: `-vf fieldmatch,decimate` for telecine, "
    "`-vf mpdecimate` for repeated pictures."
)


def _jumped(jumps: tuple[Jump, ...], ours: int, theirs: int, no: _No) -> MeasureError:
    first = jumps[0]
    if (period := _period(jumps)) is not None:
        what = "repeats" if jumps[-1].after < jumps[0].after else "lacks"
        return no(
            f"It {what} a picture every {period:.3g} frames, from frame {first.frame} on: its rate "
            "was converted (telecine or pulldown)",
            _UNDO_RATE,
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


def _period(jumps: tuple[Jump, ...]) -> float | None:
    """The frames from a repeated or missing picture to the next, where they are regular."""
    ups = [jump.after > jump.before for jump in jumps]
    # The first may lead there from an offset that nothing told.
    begin = int(len(ups) > 1 and ups[0] != ups[1])
    same = list(takewhile(lambda jump: (jump.after > jump.before) == ups[begin], jumps[begin:]))
    frames = np.array([jump.frame for jump in same], np.float64)
    offsets = np.array([jump.after for jump in same], np.float64)
    if len(same) < _REGULAR or abs(offsets[-1] - offsets[0]) < _REGULAR:
        return None
    slope, start = np.polyfit(frames, offsets, 1)
    if np.abs(start + slope * frames - offsets).max() > _IRREGULAR:
        return None
    return float(1 / abs(slope))


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
            f"It is off by {'about ' * (not reading.certain)}{abs(offset)} "
            f"frame{'s' * (abs(offset) != 1)}: its frame "
            f"{other} shows the reference's frame {start}. "
            if offset
            else ""
        )
        raise no(
            f"{cause}The reference has {ours} frames, the file {theirs}",
            f"--align auto compares the {count} frames that both have; better, encode without "
            "dropping frames at the start or end.",
        )
    return Verdict(window, tuple(notes), reading.certain)


def _ends(ours: Signatures, theirs: Signatures, window: Window, no: _No) -> list[str]:
    """What is not known of the ends, where frames are left out there, and does not matter.

    Frames that are missing where pictures do not tell may be anywhere there: what is left out at
    the end would then be others.

    Raises:
        MeasureError: when it is not known where frames are missing, and matters.
    """
    offset = window.reference_start - window.distorted_start
    first, last = window.distorted_start, window.distorted_start + window.frames - 1
    size = min(window.frames, _END)
    notes = []
    for start, edge, word in ((first, first, "first"), (last + 1 - size, last, "last")):
        low = max(0, start + offset - AROUND - 1)
        own = ours[low : start + size + offset + AROUND + 1]
        part, off = theirs[start : start + size], start + offset - low
        if shows_another(ours, theirs, offset, edge):
            why = f"and the {word} of the frames in common is not the reference's"
        elif find_arrival(own, part, off).certain:
            continue
        elif _still(own):
            notes.append(
                f"of the {word} {size} frames, which do not move, it cannot be told whether some "
                "are missing"
            )
            continue
        else:
            why = (
                f"and in the {word} {size} frames in common nothing tells whether they are missing "
                "there or elsewhere: the pictures move too little, or less than the encode's errors"
            )
        raise no(
            f"The reference has {len(ours)} frames, the file {len(theirs)}, {why}",
            "Cut the side that is longer by hand, if you know where; better, encode without "
            "dropping frames.",
        )
    return notes


def _still(values: Signatures) -> bool:
    seen = varying(values)
    return bool((np.abs(seen - seen[0]).max(initial=0.0)) < _STILL)
