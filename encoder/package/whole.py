"""HLS's AES-128: segments encrypted whole (RFC 8216 5.2), for players without Common Encryption.

It is HLS alone, and of segments that are files: byte ranges of I-frame playlists could not be
decrypted by themselves. Initialisations stay clear, as the key comes behind them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from encoder.media.package import Layout, Package, PackagedTrack, Segment
from encoder.media.protection import Protection
from encoder.package.boxes import INITIALISATION, read_packaged
from encoder.package.layout import find_track
from encoder.package.protect import key_for

_BLOCK = 16


def padded(segment: Segment) -> Segment:
    """A segment as it is once it is encrypted: filled up to whole blocks, by one byte at least."""
    return replace(segment, size=segment.size + _BLOCK - segment.size % _BLOCK)


def encrypt_whole(made: Package, layout: Layout, protection: Protection) -> Package:
    """Encrypts the segments of a package where they lie.

    Each has its number in the playlist for its initialisation vector (RFC 8216 5.2).

    Args:
        made: the package, whose playlists say so already.
        layout: of it.
        protection: its keys.

    Raises:
        PackageError: when there is no key for a track.
    """
    tracks = []
    for one in made.tracks:
        tracks.append(one if one.kind == "text" else _track(made.path, one, layout, protection))
    grown = sum(track.bytes for track in tracks) - sum(track.bytes for track in made.tracks)
    return replace(made, tracks=tuple(tracks), bytes=made.bytes + grown)


def _track(
    folder: Path, one: PackagedTrack, layout: Layout, protection: Protection
) -> PackagedTrack:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    place = folder / find_track(layout, folder, one.kind, one.id)
    track = read_packaged(place).track
    key = key_for(protection, track.width, track.height, track.channels, one.id)
    size = (place / INITIALISATION).stat().st_size
    for number, name in enumerate(track.files):
        data = (place / name).read_bytes()
        count = _BLOCK - len(data) % _BLOCK
        cipher = Cipher(algorithms.AES(key.key), modes.CBC(number.to_bytes(_BLOCK))).encryptor()
        sealed = cipher.update(data + bytes([count]) * count)
        (place / name).write_bytes(sealed)
        size += len(sealed)
    return replace(one, bytes=size)
