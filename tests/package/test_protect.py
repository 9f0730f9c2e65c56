"""Encrypted packages: what decrypts them gets every frame back, and nothing else is encrypted."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.errors import MachineError, PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Layout, Package, Packaging
from encoder.media.protection import (
    WHOLE,
    Protection,
    Resolution,
    resolution_class,
)
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import read_packaged
from encoder.package.cursor import children
from encoder.package.package import conclude, package, write_tracks
from encoder.package.rewrap import Rewrap, rewrapped
from encoder.verify.verify import verify

from .media import FRAMES, output
from .sealed import FILES, KEYS, PICTURES, SOUND, decoded, samples

pytest.importorskip("cryptography", reason="what encrypts is an optional extra")


def test_every_frame_comes_back_with_the_key(
    ffmpeg: Ffmpeg, sealed: Package, clear: Package
) -> None:
    for name, key in (("video/h264-90p.mp4", PICTURES), ("audio/en-2ch.mp4", SOUND)):
        found = decoded(ffmpeg, sealed.path / name, key.key)
        assert found == decoded(ffmpeg, clear.path / name, key.key)
        assert len(found) > 100


def test_what_is_encrypted_is_what_the_scheme_says(sealed: Package, clear: Package) -> None:
    movie = read_packaged(sealed.path / "video/h264-90p.mp4")
    old = read_packaged(clear.path / "video/h264-90p.mp4")
    said = movie.track.protected
    assert said is not None
    cbcs = said.scheme == "cbcs"
    assert said.pattern == ((1, 9) if cbcs else (0, 0))
    changed = total = 0
    new = (sealed.path / "video/h264-90p.mp4").read_bytes()
    before = (clear.path / "video/h264-90p.mp4").read_bytes()
    for new_run, run in zip(movie.runs, old.runs, strict=True):
        size = sum(run.sizes)
        one, two = new[new_run.data :][:size], before[run.data :][:size]
        total += size
        changed += sum(x != y for x, y in zip(one, two, strict=True))
    # One block in ten, or nearly all of the slices; an encrypted byte is by chance the same.
    assert (0.05 < changed / total < 0.15) if cbcs else (changed / total > 0.7)


def test_fragments_place_what_decrypts_them(sealed: Package) -> None:
    data = (sealed.path / "video/h264-90p.mp4").read_bytes()
    movie = read_packaged(sealed.path / "video/h264-90p.mp4")
    for fragment, run in zip(movie.track.fragments, movie.runs, strict=True):
        moof = children(data[fragment.offset :][: fragment.size], "file")[0]
        traf = next(one for one in children(moof.payload, "moof") if one.kind == "traf")
        inside = {one.kind: one.payload for one in children(traf.payload, "traf")}
        assert int.from_bytes(inside["saiz"][5:9]) == len(run.sizes)
        at = int.from_bytes(inside["saio"][8:12])
        # The first record lies behind the count of senc.
        records = inside["senc"][8:]
        assert data[fragment.offset + at :][: len(records)] == records
        cursor = 0
        iv = 0 if b"cbcs" in data[: movie.track.header_size] else 8
        protected = 0
        for size in run.sizes:
            count = int.from_bytes(records[cursor + iv : cursor + iv + 2])
            cursor += iv + 2
            ranges = [records[cursor + 6 * i : cursor + 6 * i + 6] for i in range(count)]
            cursor += 6 * count
            assert size == sum(int.from_bytes(r[:2]) + int.from_bytes(r[2:]) for r in ranges)
            if iv:
                assert all(int.from_bytes(r[2:]) % 16 == 0 for r in ranges)
            protected += sum(int.from_bytes(r[2:]) for r in ranges)
        assert cursor == len(records)
        assert protected > 0


@pytest.mark.parametrize(
    ("protection", "layout"),
    [
        (Protection("cbcs", KEYS), Layout()),
        (Protection("cenc", KEYS), Layout("files", "hash")),
        (
            Protection(WHOLE, tuple(replace(k, address="https://k.example") for k in KEYS)),
            FILES,
        ),
    ],
    ids=["cbcs", "cenc", "whole"],
)
def test_twins_are_clear_and_made_in_the_same_pass(
    ffmpeg: Ffmpeg,
    small: RenditionSet,
    clear: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    protection: Protection,
    layout: Layout,
) -> None:
    monkeypatch.setattr("encoder.package.protect.secrets.token_bytes", bytes)
    expected, made, twins = (tmp_path / name for name in ("expected", "made", "twins"))
    for folder in (expected, made, twins):
        folder.mkdir()
    scores = {one.id: 90.0 for one in small.video}
    package(ffmpeg, small, expected, Packaging(layout=layout, protection=protection), scores=scores)
    seen: list[Path] = []

    def counted(program: Ffmpeg, jobs: Sequence[Rewrap], work: Path) -> Iterator[Path]:
        seen.extend(job.source for job in jobs)
        return rewrapped(program, jobs, work)

    monkeypatch.setattr("encoder.package.package.rewrapped", counted)
    write_tracks(ffmpeg, small, made, Packaging(layout=layout, protection=protection), twins=twins)
    assert seen == [small.video[0].path, small.audio[0].path]
    assert not list(made.rglob("*.m3u8"))
    assert [one.name for one in twins.iterdir()] == ["h264-90p.mp4"]
    published = clear.path / "video/h264-90p.mp4"
    assert (twins / "h264-90p.mp4").read_bytes() == published.read_bytes()
    conclude(small, made, Packaging(layout=layout, protection=protection), scores=scores)
    files = [
        {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        for folder in (expected, made)
    ]
    assert files[0] == files[1]


def test_segments_as_files_are_encrypted_alike(
    ffmpeg: Ffmpeg, small: RenditionSet, clear: Package, tmp_path: Path
) -> None:
    protection = Protection("cbcs", (PICTURES, SOUND))
    into = tmp_path / "files"
    into.mkdir()
    made = package(ffmpeg, small, into, Packaging(layout=FILES, protection=protection))
    folder = made.path / "video/h264-90p"
    whole = tmp_path / "whole.mp4"
    parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
    whole.write_bytes(b"".join(path.read_bytes() for path in parts))
    key = PICTURES.key
    assert decoded(ffmpeg, whole, key) == decoded(ffmpeg, clear.path / "video/h264-90p.mp4", key)
    assert not [one for one in verify(made.path).findings if one.severity == "must"]


@pytest.mark.parametrize("layout", [Layout(), FILES], ids=["ranges", "files"])
def test_the_lead_is_clear_and_keys_come_behind_it(
    ffmpeg: Ffmpeg, small: RenditionSet, clear: Package, tmp_path: Path, layout: Layout
) -> None:
    into = tmp_path / "lead"
    into.mkdir()
    protection = Protection("cbcs", (PICTURES, SOUND), clear_lead=Fraction(1))
    made = package(
        *(ffmpeg, small, into),
        Packaging(segment_seconds=Fraction(3), layout=layout, protection=protection),
    )
    assert made.protection is not None
    assert 1 <= made.protection.clear < 4
    assert made.protection.kids == (PICTURES.kid, SOUND.kid)
    assert not [one for one in verify(into).findings if one.severity == "must"]
    suffix = "" if layout is FILES else ".mp4"
    for name, kind in (("h264-90p", "video"), ("en-2ch", "audio")):
        place = into / kind / f"{name}{suffix}"
        movie = read_packaged(place)
        flags = [one.clear for one in movie.track.fragments]
        assert flags == sorted(flags, reverse=True)
        assert 0 < sum(flags) < len(flags)
        # Those are the bytes of the clear package, the others are not.
        old = clear.path / kind / f"{name}.mp4"
        before = [sample for run in read_packaged(old).runs for sample in samples(old, run)]
        at = 0
        for fragment, run in zip(movie.track.fragments, movie.runs, strict=True):
            file = place / movie.track.files[fragment.file] if suffix == "" else place
            found = samples(file, run)
            assert (found == before[at : at + len(found)]) == fragment.clear
            at += len(found)
        assert at == len(before)
        lines = (into / kind / f"{name}.m3u8").read_text().splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("#EXT-X-KEY"))
        assert sum(line.startswith("#EXTINF") for line in lines[:first]) == 1
        assert sum(line.startswith("#EXTINF") for line in lines[first:]) >= 2
    # A key that comes a segment too late.
    path = into / "video/h264-90p.m3u8"
    text = path.read_text()
    moved = re.sub(r"((?:#EXT-X-KEY.*\n)+)((?:[^\n]*\n)*?[^#\n][^\n]*\n)", r"\2\1", text, count=1)
    assert moved != text
    path.write_text(moved)
    broken = [one for one in verify(into).findings if one.severity == "must"]
    assert {one.rule for one in broken} == {"RFC 8216 4.3.2.4"}
    assert "before any key" in broken[0].found


def test_a_lead_as_long_as_the_title_is_refused(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    # Of segments of 6 s, the last starts well before the end.
    end = Fraction(FRAMES) / small.frame_rate
    for lead in (end - 1, end, end + 20):
        protection = Protection("cbcs", (PICTURES, SOUND), clear_lead=lead)
        with pytest.raises(PackageError, match="nothing to encrypt"):
            package(
                ffmpeg,
                small,
                tmp_path,
                Packaging(segment_seconds=Fraction(6), protection=protection),
            )
        # Nothing was begun.
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "why"),
    [(("hd",), "no key is for sd"), (("sd",), "no key is for audio")],
)
def test_a_missing_key_is_named(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path, change: tuple[Resolution, ...], why: str
) -> None:
    keys = (replace(PICTURES, classes=change),)
    with pytest.raises(PackageError, match=why):
        package(ffmpeg, small, tmp_path, Packaging(protection=Protection("cbcs", keys)))


def test_what_encrypts_may_be_missing(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(MachineError, match=r"pip install 'encoder\[protect\]'"):
        package(
            ffmpeg, small, tmp_path, Packaging(protection=Protection("cbcs", (PICTURES, SOUND)))
        )
    assert not list(tmp_path.iterdir())


def test_sound_of_any_coding_is_encrypted(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    (first,) = small.audio
    sounds = [first]
    for codec in ("ac3", "eac3", "libopus"):
        path = tmp_path / f"{codec}.mp4"
        source = ["-i", f"file:{first.path}", "-c:a", codec, "-b:a", "96k", "-ac", "2"]
        output(ffmpeg, [*source, "-fflags", "+bitexact", f"file:{path}"])
        sounds.append(replace(first, id=codec, codec=codec.removeprefix("lib"), path=path))
    packages: list[Path] = []
    for protection in (None, Protection("cbcs", (PICTURES, SOUND))):
        into = tmp_path / f"package-{len(packages)}"
        into.mkdir()
        every = replace(small, audio=tuple(sounds))
        packages.append(package(ffmpeg, every, into, Packaging(protection=protection)).path)
        assert not [one for one in verify(into).findings if one.severity == "must"]
    for one in sounds:
        clear, sealed = (path / f"audio/{one.id}.mp4" for path in packages)
        assert b"enca" in sealed.read_bytes()
        frames = decoded(ffmpeg, sealed, SOUND.key)
        assert frames == decoded(ffmpeg, clear, SOUND.key)
        assert len(frames) > 100


def test_classes_go_by_the_shorter_side() -> None:
    assert resolution_class(0, 0) == "audio"
    sizes = ((720, 576), (1080, 1920), (1920, 1088), (3840, 2160))
    assert [resolution_class(*one) for one in sizes] == ["sd", "hd", "hd", "uhd"]
