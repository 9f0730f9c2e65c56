"""Protection: content keys, and what a protected track says of itself (ISO/IEC 23001-7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal
from uuid import UUID

Scheme = Literal["cbcs", "cenc", "aes-128"]
Resolution = Literal["sd", "hd", "uhd", "audio"]
System = Literal["clearkey", "widevine", "playready"]

# Common Encryption's, and HLS's own of whole segments.
SCHEMES: tuple[Scheme, ...] = ("cbcs", "cenc")
WHOLE: Scheme = "aes-128"
CLASSES: tuple[Resolution, ...] = ("sd", "hd", "uhd", "audio")
SYSTEMS: tuple[System, ...] = ("clearkey", "widevine", "playready")

# The shorter side of the largest picture that a class has: 576 lines and 1080 lines; what is
# larger is of the next class.
_SD, _HD = 576, 1088


# Protection systems by their identifiers (DASH-IF, identifiers of content protection). The common
# box is W3C's, and ClearKey's identifier DASH-IF's.
COMMON = UUID("1077efec-c0b2-4d02-ace3-3c1e52e2fb4b")
CLEARKEY = UUID("e2719d58-a985-b3c9-781a-b030af78d30e")
WIDEVINE = UUID("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed")
PLAYREADY = UUID("9a04f079-9840-4286-ab92-e65be0885f95")
FAIRPLAY = UUID("94ce86fb-07ff-4f43-adb8-93d2fa968ca2")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a key is for, as CPIX has it: tracks of a kind, from ``least`` to ``most`` pixels of a
    picture, or channels of sound, both included; ``most`` is None without a bound."""

    kind: Literal["video", "audio"]
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What a protection system's players are told of one key, where its owner says it.

    ``system`` is its identifier. ``pssh`` is the box for it, whole; empty for the one that is made
    here, if any. ``dash`` is XML: an element whose children go into the ContentProtection of the
    system. ``media`` and ``master`` are the lines of HLS playlists. All may be empty.
    """

    system: UUID
    pssh: bytes = b""
    dash: str = ""
    media: tuple[str, ...] = ()
    master: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentKey:
    """A key of 16 bytes, its identifier of 16 bytes, and what it is for.

    ``key`` is not in the text of the object, so that no message can tell it. ``usages`` are what
    it is for instead of ``classes``, where there are any. ``vector`` is the initialisation vector
    that goes with it in ``cbcs``; empty for a random one. ``signals`` are what is told of it, and
    ``systems`` those whose data is made for it besides the protection's.
    ``address`` is where players have the key from, for segments that are encrypted whole.
    """

    kid: bytes
    key: bytes = field(repr=False)
    classes: tuple[Resolution, ...] = CLASSES
    usages: tuple[Usage, ...] = ()
    vector: bytes = b""
    signals: tuple[Signal, ...] = ()
    systems: tuple[System, ...] = ()
    address: str = ""

    def fits(self, width: int, height: int, channels: int) -> bool:
        """Whether it is for a track: of pictures of that size, or of sound, which has none."""
        if not self.usages:
            return resolution_class(width, height) in self.classes
        pixels = width * height
        kind, amount = ("video", pixels) if pixels else ("audio", channels)
        return any(
            one.kind == kind and one.least <= amount and (one.most is None or amount <= one.most)
            for one in self.usages
        )


@dataclass(frozen=True, slots=True)
class Protection:
    """How a package is to be protected.

    ``keys`` have one for every track of the package. ``systems`` are those whose data manifests and
    initialisations carry besides what ``signals`` of keys say; FairPlay, which has none, goes with
    ``cbcs``. The segments that start within the first ``clear_lead`` seconds stay clear, so that
    playing can begin before a licence is there.
    """

    scheme: Scheme
    keys: tuple[ContentKey, ...]
    systems: tuple[System, ...] = ("clearkey",)
    clear_lead: Fraction = Fraction(0)

    def fitting(self, width: int, height: int, channels: int) -> tuple[ContentKey, ...]:
        """The keys that are for a track, which should be one; sound has no size."""
        return tuple(one for one in self.keys if one.fits(width, height, channels))


@dataclass(frozen=True, slots=True)
class Protected:
    """What a protected track says of itself.

    ``kid`` is the identifier of its key, ``pattern`` are the encrypted and the skipped blocks (0
    and 0 without a pattern), ``pssh`` are the boxes of protection systems, whole. ``signals`` and
    ``address`` are not in the track, but belong to its key.
    """

    scheme: str
    kid: bytes
    pattern: tuple[int, int]
    pssh: tuple[bytes, ...] = ()
    signals: tuple[Signal, ...] = ()
    address: str = ""


def resolution_class(width: int, height: int) -> Resolution:
    """The class of a picture; that of sound has no size."""
    side = min(width, height)
    if side == 0:
        return "audio"
    return "sd" if side <= _SD else "hd" if side <= _HD else "uhd"
