"""Segments that are encrypted whole (AES-128), for HLS alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.engine.proof import prove
from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, Packaging
from encoder.media.protection import (
    Protection,
)
from encoder.media.renditions import RenditionSet
from encoder.package.package import package
from encoder.verify.verify import verify

from .sealed import FILES, PICTURES, SOUND, decoded

pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def test_whole_segments_are_encrypted_for_hls_alone(
    ffmpeg: Ffmpeg, small: RenditionSet, clear: Package, tmp_path: Path
) -> None:
    into = tmp_path / "whole"
    into.mkdir()
    keys = tuple(
        replace(one, address=f"https://keys.example/{n}") for n, one in enumerate((PICTURES, SOUND))
    )
    protection = Protection("aes-128", keys)
    made = package(
        *(ffmpeg, small, into),
        Packaging(segment_seconds=Fraction(3), layout=FILES, protection=protection),
    )
    assert made.dash is None
    assert not list(into.glob("*.mpd"))
    broken = {one.rule for one in verify(into).findings if one.severity == "must"}
    # The byte ranges of I-frame playlists could not be decrypted.
    assert broken == {"HLS 6.1"}
    prove(into, protection)
    with pytest.raises(PackageError, match=r"HLS 6\.1"):
        prove(into)
    for key, (name, kind) in zip(keys, (("h264-90p", "video"), ("en-2ch", "audio")), strict=True):
        lines = (into / kind / f"{name}.m3u8").read_text().splitlines()
        tag = f'#EXT-X-KEY:METHOD=AES-128,URI="{key.address}"'
        # Behind the initialisation, which is clear.
        assert lines.index(tag) == 1 + next(i for i, x in enumerate(lines) if "EXT-X-MAP" in x)
        assert tag.replace("-KEY", "-SESSION-KEY", 1) in (into / made.hls).read_text()
        folder = into / kind / name
        plain = (folder / "init.mp4").read_bytes()
        sealed = sorted(folder.glob("*.m4s"))
        assert len(sealed) >= 2
        for number, path in enumerate(sealed):
            mode = modes.CBC(number.to_bytes(16))
            data = Cipher(algorithms.AES(key.key), mode).decryptor().update(path.read_bytes())
            assert 1 <= data[-1] <= 16
            plain += data[: -data[-1]]
        whole = tmp_path / f"{name}.mp4"
        whole.write_bytes(plain)
        old = clear.path / kind / f"{name}.mp4"
        assert decoded(ffmpeg, whole, bytes(16)) == decoded(ffmpeg, old, bytes(16))
        track = next(one for one in made.tracks if one.id == name)
        assert track.bytes == sum(path.stat().st_size for path in folder.iterdir())
    named = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    assert made.bytes == named


def test_segments_that_others_encrypt_whole_are_not_taken_for_damaged(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    into = tmp_path / "whole"
    into.mkdir()
    package(ffmpeg, small, into, Packaging(layout=FILES))
    (into / "manifest.mpd").unlink()
    shutil.rmtree(into / "video/iframes")
    master = into / "master.m3u8"
    master.write_text(re.sub("#EXT-X-I-FRAME-STREAM-INF.*\n", "", master.read_text()))
    before = {one.rule for one in verify(into).findings}
    for path in into.rglob("*.m4s"):
        number = int(path.stem) - 1
        padding = 16 - path.stat().st_size % 16
        cipher = Cipher(algorithms.AES(PICTURES.key), modes.CBC(number.to_bytes(16))).encryptor()
        path.write_bytes(cipher.update(path.read_bytes() + bytes([padding]) * padding))
    for path in (into / "video/h264-90p.m3u8", into / "audio/en-2ch.m3u8"):
        text = re.sub(
            "(#EXT-X-MAP.*\n)", '\\1#EXT-X-KEY:METHOD=AES-128,URI="key"\n', path.read_text()
        )
        path.write_text(text)
    verdict = verify(into)
    assert {one.rule for one in verdict.findings} <= before
    assert sum("encrypted whole" in one for one in verdict.unread) == 2
