"""Whether two files may be compared at all: what their headers say, and what would mend it.

Every difference has a cause and a fix. One that is mended without changing a picture's meaning is
only told of; anything else is refused, unless the caller allowed automatic alignment and it can be
mended exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from encoder.errors import MeasureError
from encoder.media.colour import UNKNOWN, Colour
from encoder.media.conform import Filter
from encoder.score.sides import Side

# Sizes are rounded to even numbers: the aspect of a small rendition is off by that much.
_ASPECT_SLACK = Fraction(2, 100)
_RATE_SLACK = Fraction(1, 5000)
_TELECINE = Fraction(5, 4)
# Pictures that a conversion makes others of: 24 become 25.
_PULLDOWN = 24

# Makes a refusal of the cause and the fix.
_No = Callable[[str, str], MeasureError]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a distorted file fits its reference by their headers.

    ``notes`` are sentences about what is done. ``reference_filters`` and ``distorted_filters`` come
    before the scaling, ``frames_differ`` asks for a look at the pictures before anything is scored.
    ``crop`` is the shape that the reference is cut to, if it is. ``reference_step`` is the distance
    of the reference's frames that are compared.
    """

    notes: tuple[str, ...] = ()
    reference_filters: tuple[Filter, ...] = ()
    distorted_filters: tuple[Filter, ...] = ()
    frames_differ: bool = False
    crop: tuple[int, int] | None = None
    reference_step: int = 1


def refuse(reference: str, distorted: str, why: str, hint: str) -> MeasureError:
    """The refusal to compare two files."""
    return MeasureError(
        "The files cannot be compared as they are",
        where=f"{distorted} with {reference}",
        why=why,
        hint=hint,
    )


def fit(reference: Side, distorted: Side, *, automatic: bool, can_conform: bool = False) -> Fit:
    """Compares what is known of both before anything is decoded.

    Args:
        reference: the one side.
        distorted: the other.
        automatic: whether what can be mended exactly is.
        can_conform: whether the reference's pictures as of an ingest would fit instead, for the
            hints.

    Raises:
        MeasureError: when they differ in what cannot be mended, or must not be without asking.
    """
    notes: list[str] = []
    hint_conform = (
        " If it was made by an ingest or by the same rules, --conform compares it with the "
        "reference pictures of an ingest"
        if can_conform
        else ""
    )

    def no(why: str, hint: str) -> MeasureError:
        return refuse(reference.name, distorted.name, why, hint + hint_conform)

    _same_colour(reference, distorted, no)
    if reference.chroma == "rgb" or distorted.chroma == "rgb":
        raise no(
            "One of them is of a pixel format that is not planar YUV or grey",
            "Convert it to yuv444p first, with the matrix that the other has.",
        )
    own_step, other_step = _rates(reference, distorted, automatic, no, notes)
    _times(reference, distorted, notes)
    if reference.interlaced != distorted.interlaced:
        which = reference if reference.interlaced else distorted
        raise no(
            f"{which.name} is interlaced and the other is not",
            "Deinterlace it in the same way as the other was (or score the interlaced encode).",
        )
    crop = _shape(reference, distorted, automatic, no, notes)
    if reference.chroma != distorted.chroma:
        notes.append(
            f"chroma is brought from {distorted.chroma} to the reference's {reference.chroma}"
        )
    if reference.depth != distorted.depth:
        notes.append(
            f"compared at {max(reference.depth, distorted.depth)} bits; the reference has "
            f"{reference.depth}, {distorted.name} {distorted.depth}"
        )
    differ = (
        reference.frames is not None
        and distorted.frames is not None
        and -(-reference.frames // own_step) != -(-distorted.frames // other_step)
    )
    return Fit(tuple(notes), _every(own_step), _every(other_step), differ, crop, own_step)


def _every(step: int) -> tuple[Filter, ...]:
    return () if step == 1 else (Filter("framestep", (str(step),)),)


def _times(reference: Side, distorted: Side, notes: list[str]) -> None:
    """Pictures are paired by their order: what their times differ in is only told."""
    late = distorted.start - reference.start
    if abs(late) * reference.rate >= 1:
        word = "later" if late > 0 else "earlier"
        notes.append(
            f"it starts {abs(float(late)):.3f} s {word} in its file than the reference does: "
            "pictures are paired by their order"
        )
    for side in (reference, distorted):
        if side.uneven:
            notes.append(
                f"{side.name} has a variable frame rate: pictures are paired by their order"
            )


def _same_colour(reference: Side, distorted: Side, no: _No) -> None:
    ours, theirs = reference.colour, distorted.colour
    if ours.is_hdr != theirs.is_hdr or (ours.is_hdr and ours.transfer != theirs.transfer):
        raise no(
            f"Their transfers differ: {_named(ours.transfer)} and {_named(theirs.transfer)}",
            "Compare within one transfer: encode without tone mapping, or score against a "
            "reference that was tone-mapped in the same way.",
        )
    if _range(ours) != _range(theirs):
        raise no(
            f"Their ranges differ: {_range(ours)} and {_range(theirs)}",
            "Convert one with `-vf scale=out_range=limited` before the encode; if only the label "
            "is wrong, set it right with setparams=range=....",
        )
    for what, a, b in (
        ("matrices", ours.matrix, theirs.matrix),
        ("primaries", ours.primaries, theirs.primaries),
    ):
        if UNKNOWN not in (a, b) and _alike(a) != _alike(b):
            raise no(
                f"Their {what} differ: {a} and {b}",
                "Convert one to the other's colour before the encode (zscale=matrix=...), or set "
                "the label right if only that is wrong.",
            )


def _range(colour: Colour) -> str:
    return "full" if colour.range == "full" else "limited"


def _named(transfer: str) -> str:
    return {"smpte2084": "PQ", "arib-std-b67": "HLG", UNKNOWN: "not said (SDR)"}.get(
        transfer, transfer
    )


def _alike(name: str) -> str:
    """BT.601's matrices for 525 and 625 lines are the same."""
    return "smpte170m" if name == "bt470bg" else name


def _rates(
    reference: Side, distorted: Side, automatic: bool, no: _No, notes: list[str]
) -> tuple[int, int]:
    ratio = distorted.rate / reference.rate
    if abs(ratio - 1) < _RATE_SLACK:
        return 1, 1
    said = f"Their frame rates differ: {_hertz(reference.rate)} and {_hertz(distorted.rate)}"
    if abs(ratio / _TELECINE - 1) < _RATE_SLACK:
        raise no(
            f"{said}, as after telecine (3:2 pulldown: five pictures for every four)",
            "Undo it with `-vf fieldmatch,decimate`, or encode without telecine.",
        )
    for times, fast in ((ratio, distorted), (1 / ratio, reference)):
        whole = round(times)
        if whole >= 2 and abs(times / whole - 1) < _RATE_SLACK:
            if not automatic:
                raise no(
                    f"{said}, {fast.name} having {whole} pictures for each of the other",
                    f"--align auto compares every {_ordinal(whole)} picture of {fast.name} only.",
                )
            notes.append(f"every {_ordinal(whole)} picture of {fast.name} is compared")
            return (whole, 1) if fast is reference else (1, whole)
    near = ratio.limit_denominator(_PULLDOWN)
    if abs(ratio / near - 1) < _RATE_SLACK and near.numerator <= _PULLDOWN + 1:
        said += (
            f", as after a conversion: {near.numerator} pictures for every {near.denominator}, or "
            "the same ones at another speed"
        )
    raise no(said, "Encode at the reference's rate, or give a reference converted in the same way.")


def _hertz(rate: Fraction) -> str:
    return f"{float(rate):.3f}".rstrip("0").rstrip(".") + " fps"


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _shape(
    reference: Side, distorted: Side, automatic: bool, no: _No, notes: list[str]
) -> tuple[int, int] | None:
    own = f"{reference.width}x{reference.height}"
    other = f"{distorted.width}x{distorted.height}"
    if abs(distorted.aspect / reference.aspect - 1) <= _ASPECT_SLACK:
        if (reference.width, reference.height) == (distorted.width, distorted.height):
            return None
        if distorted.width > reference.width or distorted.height > reference.height:
            raise no(
                f"{distorted.name} is larger than the reference: {other} and {own}",
                "Give the reference that it was scaled from, or scale it back down first: how it "
                "was enlarged is not known.",
            )
        notes.append(f"scaled up from {other} to {own} (bicubic), as a player shows it")
        return None
    turned = abs(distorted.aspect * reference.aspect - 1) <= _ASPECT_SLACK
    if distorted.sample_aspect != reference.sample_aspect:
        own += f" (pixel aspect {_ratio(reference.sample_aspect)})"
        other += f" (pixel aspect {_ratio(distorted.sample_aspect)})"
    said = f"Their pictures have different shapes: {own} and {other}"
    if turned:
        raise no(
            f"{said}; one is on its side",
            "Turn it (transpose), or mend the rotation in its header.",
        )
    one_side = distorted.width == reference.width or distorted.height == reference.height
    inside = distorted.width <= reference.width and distorted.height <= reference.height
    if one_side and inside and distorted.sample_aspect == reference.sample_aspect:
        if not automatic:
            raise no(
                f"{said}, as after a crop",
                "--align auto cuts the reference in the same way, around its centre, and checks "
                "that the pictures then agree.",
            )
        notes.append(f"the reference is cut to {other} around its centre")
        return distorted.width, distorted.height
    raise no(
        said,
        "Crop or pad one as the other was; a stretched picture should say so in its pixel aspect.",
    )
