"""Whether renditions that were encoded elsewhere can be switched between, and which ones cannot.

What most files have in common is what is right, so that the one which differs is named, whichever
came first. Where as many have one thing as another, no file is to blame, and it is said so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from encoder.media.coded import CodedVideo
from encoder.media.colour import UNKNOWN
from encoder.package.check import named_frames

# More would not help anybody to find the cause.
_MOST_FILES = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file by the name that it was given with, and its pictures."""

    name: str
    video: CodedVideo


def common_rate(files: Sequence[Candidate]) -> Fraction:
    """The frame rate that most files have.

    Times in whole milliseconds do not tell 24 from 24000/1001 frames a second in a short file: one
    whose pictures keep to the rate of most as well has that one.
    """
    rates = [one.video.stream.frame_rate for one in files]
    return Counter(rates).most_common(1)[0][0]


def disagreements(files: Sequence[Candidate]) -> tuple[str, ...]:
    """What keeps files from being renditions of one title: a sentence for each file and thing.

    Frame rates are compared first; of files that have the common one, lengths, and key frames.
    """
    rate = common_rate(files)
    alike = [one for one in files if one.video.strays(rate) is None]
    if not alike:
        alike = [one for one in files if one.video.stream.frame_rate == rate]
    said = [
        f"{one.name} has {_rate(one.video.stream.frame_rate)} frames a second, "
        f"{_names(alike)} {_rate(rate)}"
        for one in files
        if one not in alike
    ]

    def frames(one: Candidate) -> int:
        return one.video.frames

    def length(one: Candidate, right: Candidate) -> str:
        apart = abs(frames(one) - frames(right))
        seconds = f"{float(apart / rate):.3f} s"
        word = "more" if frames(one) > frames(right) else "fewer"
        return f"has {frames(one)} frames, {apart} ({seconds}) {word} than"

    def keys(one: Candidate) -> tuple[int, ...]:
        # Beyond the shorter of two files there is nothing to compare: that is told of already.
        return tuple(key for key in one.video.keyframes if key < shortest)

    def cuts(one: Candidate, right: Candidate) -> str:
        missing = sorted(set(keys(right)) - set(keys(one)))
        extra = sorted(set(keys(one)) - set(keys(right)))
        parts = [f"has no key frame at {named_frames(missing)}"] if missing else []
        parts += [f"has key frames at {named_frames(extra)}"] if extra else []
        return " and ".join(parts) + ", unlike"

    shortest = min((frames(one) for one in alike), default=0)
    said += _differing(alike, frames, length)
    said += _differing(alike, keys, cuts)
    return tuple(said)


def _differing(
    files: Sequence[Candidate],
    value: Callable[[Candidate], Hashable],
    tell: Callable[[Candidate, Candidate], str],
) -> list[str]:
    counts = Counter(value(one) for one in files).most_common()
    if len(counts) < 2:
        return []
    right, most = counts[0]
    examples = [one for one in files if value(one) == right]
    blame = "" if most > counts[1][1] else "; as many have one as the other"
    return [
        f"{one.name} {tell(one, examples[0])} {_names(examples)}{blame}"
        for one in files
        if value(one) != right
    ]


def _names(files: Sequence[Candidate]) -> str:
    names = [one.name for one in files[:_MOST_FILES]]
    more = len(files) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _rate(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.3f}"


def unfit(one: Candidate, rate: Fraction) -> tuple[str, ...]:
    """What keeps a file from being a rendition at all, whatever the others are like.

    Args:
        one: the file.
        rate: the frame rate of the title.
    """
    video, stream = one.video, one.video.stream
    said = []
    if video.untimed:
        said.append(f"{video.untimed} of its pictures have no presentation time")
    elif not video.frames:
        said.append("it has no pictures that are shown")
    else:
        if video.hidden:
            said.append(
                f"an edit list hides {video.hidden} of its pictures, which players would show"
            )
        if video.keyframes[:1] != (0,):
            said.append("its first picture is no key frame")
        if video.leading:
            said.append(
                f"pictures before {named_frames(video.leading)} need what comes after (an open "
                "group of pictures), so that players cannot start there"
            )
        if stream.frame_rate == rate and (number := video.strays(rate)) is not None:
            found, wanted = float(video.seconds(number)), float(number / rate)
            said.append(
                f"its frame rate varies: frame {number} is shown at {found:.3f} s, and belongs at "
                f"{wanted:.3f} s"
            )
    if stream.rotation or stream.mirrored:
        said.append(
            f"its pictures have to be turned ({stream.rotation} degrees), which few players do"
        )
    if stream.sample_aspect != 1:
        said.append(f"its pixels are not square ({stream.sample_aspect})")
    if stream.field_order not in ("progressive", "unknown"):
        said.append("its pictures are interlaced")
    if stream.codec == "hevc" and UNKNOWN in (
        stream.colour.primaries,
        stream.colour.transfer,
        stream.colour.matrix,
    ):
        said.append("it does not say what its colours are, which HEVC must in CMAF (7.3.2.4)")
    return tuple(f"{one.name}: {what}" for what in said)
