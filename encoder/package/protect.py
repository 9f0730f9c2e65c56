"""Common Encryption of samples (ISO/IEC 23001-7) with ``cbcs`` and ``cenc``: pictures and sound.

Of H.264 and HEVC the NAL units of slices are encrypted behind their headers (9.5.2), of AV1 the
tiles; all else is left clear.
``cenc`` encrypts whole blocks of it in counter mode, so that what is left over of a slice stays
clear at its front (ISO/IEC 23000-19 8.2.3.1); ``cbcs`` one block in ten by chaining, from the first
byte behind the header. Access units of sound, of any coding, are encrypted whole.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encoder.errors import MachineError, PackageError
from encoder.media.protection import ContentKey, Protected, Protection, Scheme, resolution_class
from encoder.package.boxes import Movie
from encoder.package.cursor import Damaged
from encoder.package.protect_boxes import protected_moov, sample_record
from encoder.package.pssh import pssh_boxes
from encoder.package.units import BLOCK, Range, Units

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

# cbcs encrypts one block of ten (Apple's authoring specification 13.7); sound without a pattern.
_PATTERN = (1, 9)
# How the codec strings of what can be encrypted start.
_VIDEO = ("avc1.", "hvc1.", "av01.")
_SOUND = ("mp4a.", "ac-3", "ec-3", "Opus", "opus")
# The count of a saiz box is of bytes.
_LONGEST_RECORD = 255


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an encrypted track is written with: its ``moov``, and for every sample what is needed
    to decrypt it; ``records`` is empty where the initialisation says it all. The first ``clear``
    samples are not encrypted, nor have they records of any length."""

    moov: bytes
    records: tuple[bytes, ...]
    subsamples: bool
    clear: int = 0


def check_protection() -> None:
    """Makes sure that there is what encrypts.

    Raises:
        MachineError: when the library is not installed.
    """
    try:
        import cryptography.hazmat.primitives.ciphers  # noqa: F401
    except ImportError as error:
        raise MachineError(
            "Packages cannot be protected here",
            why="the Python package cryptography is not installed",
            hint="Install it: pip install 'encoder[protect]'",
        ) from error


def seal(
    file: Path,
    movie: Movie,
    original: Path,
    protection: Protection,
    clear: int = 0,
    tiles: Sequence[tuple[Range, ...]] = (),
) -> Sealed:
    """Encrypts the samples of a track where they lie.

    Args:
        file: the track as FFmpeg rewrapped it; its samples are overwritten.
        movie: what is in it.
        original: what it was made from, for messages.
        protection: the scheme and the keys.
        clear: how many samples stay clear, from the first on.
        tiles: of AV1, what is clear and what is encrypted of each sample.

    Raises:
        PackageError: when its coding is not one that is protected, there is no key for it, or it
            is damaged.
    """
    track = movie.track
    key = key_for(protection, track.width, track.height, track.channels, str(original))
    video = track.kind == "video"
    if not track.codec_string.startswith(_VIDEO if video else _SOUND):
        raise PackageError(
            "A rendition is of a coding that cannot be protected",
            where=str(original),
            why=f"it is {track.codec_string}; of video H.264, HEVC and AV1 are encrypted",
            hint="Package it without --protect, or leave it out",
        )
    cbcs = protection.scheme == "cbcs"
    said = Protected(
        scheme=protection.scheme,
        kid=key.kid,
        pattern=_PATTERN if cbcs and video else (0, 0),
        pssh=pssh_boxes(protection, key),
    )
    constant = (key.vector or secrets.token_bytes(BLOCK)) if cbcs else b""
    try:
        with file.open("r+b") as both:
            both.seek(movie.moov_offset)
            moov = both.read(track.header_size - movie.moov_offset)
            found = protected_moov(moov, said, constant)
            units = Units(found.record, track.codec_string, cbcs) if found.record else None
            encrypt = _cipher(protection.scheme, key, constant)
            vector = int.from_bytes(secrets.token_bytes(8))
            records: list[bytes] = []
            for run in movie.runs:
                both.seek(run.data)
                data = both.read(sum(run.sizes))
                made: list[bytes] = []
                at = 0
                for size in run.sizes:
                    sample = data[at : at + size]
                    at += size
                    # Clear ones too: later slices may refer to parameter sets in them.
                    ranges = units.ranges(sample) if units else None
                    if tiles:
                        ranges = _of_tiles(tiles, len(records), size)
                    if len(records) < clear:
                        records.append(b"")
                        made.append(sample)
                        continue
                    iv = constant or vector.to_bytes(8)
                    made.append(encrypt(sample, ranges, iv))
                    records.append(sample_record(b"" if cbcs else iv, ranges))
                    vector = (vector + 1) % (1 << 64)
                both.seek(run.data)
                both.writelines(made)
    except Damaged as error:
        raise PackageError(
            "A rendition cannot be protected",
            where=str(original),
            why=str(error),
            hint="The file is damaged or of a kind that is not encrypted; encode it anew",
        ) from error
    if max(map(len, records)) > _LONGEST_RECORD:
        raise PackageError(
            "A rendition has too many slices in a picture to be protected",
            where=str(original),
            why="what is needed to decrypt a sample has more than 255 bytes",
            hint="Encode it with fewer slices",
        )
    return Sealed(found.moov, tuple(records) if any(records) else (), video, clear)


def key_for(
    protection: Protection, width: int, height: int, channels: int, what: str
) -> ContentKey:
    """The key of a track; sound has no size.

    Args:
        protection: the keys.
        width: of its pictures.
        height: of its pictures.
        channels: of its sound.
        what: the track, for messages.

    Raises:
        PackageError: when there is none for it, or several.
    """
    found = protection.fitting(width, height, channels)
    if len(found) == 1:
        return found[0]
    wanted = resolution_class(width, height)
    track = f"pictures of {width}x{height}" if width else f"sound of {channels} channels"
    if found:
        raise PackageError(
            "There are several keys for a rendition",
            where=what,
            why=f"{', '.join(one.kid.hex() for one in found)} are for {track}",
            hint="Write the rules of the CPIX document so that one key fits each track",
        )
    raise PackageError(
        "There is no key for a rendition",
        where=what,
        why=f"no key is for {wanted}"
        + (f": {track}" if any(k.usages for k in protection.keys) else ""),
        hint=f"Give a key that has {wanted} in its classes, or a rule of CPIX that fits",
    )


def _of_tiles(tiles: Sequence[tuple[Range, ...]], number: int, size: int) -> tuple[Range, ...]:
    ranges = tiles[number] if number < len(tiles) else ()
    if sum(map(sum, ranges)) != size or any(protected % BLOCK for _, protected in ranges):
        raise Damaged("its tiles are not where its samples are")
    return ranges


_Encrypt = Callable[[bytes, "tuple[Range, ...] | None", bytes], bytes]


def _cipher(scheme: Scheme, key: ContentKey, constant: bytes) -> _Encrypt:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    secret = algorithms.AES(key.key)
    chained = Cipher(secret, modes.CBC(constant)) if constant else None

    def context(iv: bytes) -> CipherContext:
        if chained is not None:
            return chained.encryptor()
        # Eight bytes are followed by the block's number, from 0 (9.3).
        return Cipher(secret, modes.CTR(iv + bytes(BLOCK - len(iv)))).encryptor()

    def encrypt(sample: bytes, ranges: tuple[Range, ...] | None, iv: bytes) -> bytes:
        if ranges is None:
            return _whole(sample, context(iv), blocks=scheme == "cbcs")
        new = bytearray(sample)
        counter = None if scheme == "cbcs" else context(iv)
        at = 0
        for clear, protected in ranges:
            start = at + clear
            at = start + protected
            if counter is not None:
                new[start:at] = counter.update(sample[start:at])
            elif protected:
                # Each range starts with the constant vector again (9.6.1).
                _pattern(new, start, at, context(iv))
        return bytes(new)

    return encrypt


def _whole(sample: bytes, cipher: CipherContext, *, blocks: bool) -> bytes:
    """A sample without clear bytes; what is left over of whole blocks stays clear (9.7)."""
    end = len(sample) - len(sample) % BLOCK if blocks else len(sample)
    sealed: bytes = cipher.update(sample[:end])
    return sealed + sample[end:]


def _pattern(data: bytearray, start: int, stop: int, cipher: CipherContext) -> None:
    """Encrypts the blocks of the pattern; the chain goes from one to the next (9.6)."""
    starts = range(start, stop - BLOCK + 1, BLOCK * sum(_PATTERN))
    chosen = b"".join([data[at : at + BLOCK] for at in starts])
    sealed = cipher.update(chosen)
    for number, at in enumerate(starts):
        data[at : at + BLOCK] = sealed[number * BLOCK : (number + 1) * BLOCK]
