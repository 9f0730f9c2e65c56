"""Encrypted packages: what decrypts them gets every frame back, and manifests name their keys."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from encoder.engine.keys import read_keys
from encoder.engine.proof import prove
from encoder.errors import MachineError, PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Layout, Package
from encoder.media.protection import (
    PLAYREADY,
    SCHEMES,
    SYSTEMS,
    WHOLE,
    WIDEVINE,
    ContentKey,
    Protection,
    Resolution,
    Scheme,
    resolution_class,
)
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import Run, read_packaged
from encoder.package.cursor import Damaged, children
from encoder.package.package import conclude, package, write_tracks
from encoder.package.protect import seal
from encoder.package.pssh import playready_object, widevine_data
from encoder.package.rewrap import rewrap_marked, rewrap_video
from encoder.package.slice_header import (
    Parameters,
    Picture,
    Sequence,
    header_bytes,
    parse_parameters,
)
from encoder.verify.verify import verify

from .media import FRAMES, make_audio, make_set, make_video, output

pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PICTURES = ContentKey(bytes(range(16)), bytes(range(16, 32)), ("sd", "hd"))
SOUND = ContentKey(bytes(range(32, 48)), bytes(range(48, 64)), ("audio",))
KEYS = (PICTURES, SOUND)
MPD = "{urn:mpeg:dash:schema:mpd:2011}"
CENC = "{urn:mpeg:cenc:2013}"
FILES = Layout("files")


@pytest.fixture(scope="session")
def small(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> RenditionSet:
    folder = tmp_path_factory.mktemp("to protect")
    rung = make_video(ffmpeg, folder / "h264-90p.mp4", (160, 90), crf=24)
    sound = make_audio(
        ffmpeg, folder / "en-2ch.mp4", language="en", name="English", source=1, default=True
    )
    return make_set([rung], [sound])


@pytest.fixture(scope="session", params=["cbcs", "cenc"])
def sealed(
    request: pytest.FixtureRequest,
    ffmpeg: Ffmpeg,
    small: RenditionSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Package:
    """A protected package. Read it, do not change it."""
    protection = Protection(request.param, (PICTURES, SOUND), SYSTEMS)
    into = tmp_path_factory.mktemp(request.param)
    return package(ffmpeg, small, into, protection=protection)


@pytest.fixture(scope="session")
def clear(ffmpeg: Ffmpeg, small: RenditionSet, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package(ffmpeg, small, tmp_path_factory.mktemp("clear"))


def decoded(ffmpeg: Ffmpeg, path: Path, key: bytes) -> list[str]:
    arguments = ["-decryption_key", key.hex(), "-i", f"file:{path}", "-f", "framemd5", "pipe:1"]
    rows = output(ffmpeg, arguments).decode().splitlines()
    return [row for row in rows if not row.startswith("#")]


def samples(path: Path, run: Run) -> list[bytes]:
    data = path.read_bytes()
    ends = accumulate(run.sizes, initial=run.data)
    return [data[first:stop] for first, stop in pairwise(ends)]


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


def test_manifests_name_the_keys_and_nothing_holds_them(sealed: Package) -> None:
    scheme = sealed.path.name[:4]
    root = ElementTree.parse(sealed.path / "manifest.mpd").getroot()
    found = {
        adaptation.attrib["contentType"]: {
            one.attrib["schemeIdUri"]: one for one in adaptation.iter(f"{MPD}ContentProtection")
        }
        for adaptation in root.iter(f"{MPD}AdaptationSet")
    }
    for kind, key in (("video", PICTURES), ("audio", SOUND)):
        general = found[kind]["urn:mpeg:dash:mp4protection:2011"]
        assert general.attrib["value"] == scheme
        assert general.attrib[f"{CENC}default_KID"].replace("-", "") == key.kid.hex()
        assert len(found[kind]) == 4
        boxed = {name for name, one in found[kind].items() if one.find(f"{CENC}pssh") is not None}
        assert boxed == {f"urn:uuid:{system}" for system in (WIDEVINE, PLAYREADY)}
    method = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}[scheme]
    for name in ("video/h264-90p.m3u8", "video/iframes/h264-90p.m3u8", "audio/en-2ch.m3u8"):
        lines = (sealed.path / name).read_text().splitlines()
        keys = [line for line in lines if line.startswith("#EXT-X-KEY:")]
        assert keys
        assert all(line.startswith(f"#EXT-X-KEY:METHOD={method},") for line in keys)
        key = SOUND if name.startswith("audio") else PICTURES
        assert (f'URI="skd://{key.kid.hex()}"' in "".join(keys)) == (scheme == "cbcs")
        master = (sealed.path / sealed.hls).read_text().splitlines()
        assert {line.replace("-KEY", "-SESSION-KEY", 1) for line in keys} <= set(master)
    for path in sealed.path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for one in (PICTURES.key, SOUND.key):
            assert one not in data
            assert one.hex().encode() not in data


def test_players_are_told_where_licences_are(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    file, into = tmp_path / "keys.yaml", tmp_path / "package"
    secret = f'{{kid: "{PICTURES.kid.hex()}", key: "{PICTURES.key.hex()}"}}'
    address = "https://keys.example/get?a=1&b=<2>"
    file.write_text(f"licenses: {{clearkey: '{address}'}}\nkeys: [{secret}]\n")
    into.mkdir()
    package(ffmpeg, small, into, protection=read_keys(file))
    root = ElementTree.parse(into / "manifest.mpd").getroot()
    told = [
        one for one in root.iter(f"{MPD}ContentProtection") if one.get("value") == "ClearKey1.0"
    ]
    assert len(told) == 2
    for one in told:
        laurl = one.find("{https://dashif.org/CPS}Laurl")
        assert laurl is not None
        assert (laurl.text, laurl.attrib) == (address, {"licenseType": "EME-1.0"})
        # dash.js would take it for something else.
        assert one.find(f"{CENC}pssh") is None
    assert not [one for one in verify(into).findings if one.severity == "must"]


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
    package(ffmpeg, small, expected, layout=layout, scores=scores, protection=protection)
    seen: list[Path] = []

    def counted(program: Ffmpeg, source: Path, target: Path, *rest: Any) -> None:
        seen.append(source)
        rewrap_video(program, source, target, *rest)

    monkeypatch.setattr("encoder.package.package.rewrap_video", counted)
    write_tracks(ffmpeg, small, made, layout=layout, protection=protection, twins=twins)
    assert seen == [one.path for one in small.video]
    assert not list(made.rglob("*.m3u8"))
    assert [one.name for one in twins.iterdir()] == ["h264-90p.mp4"]
    published = clear.path / "video/h264-90p.mp4"
    assert (twins / "h264-90p.mp4").read_bytes() == published.read_bytes()
    conclude(small, made, layout=layout, scores=scores, protection=protection)
    files = [
        {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        for folder in (expected, made)
    ]
    assert files[0] == files[1]


def test_it_breaks_no_must(sealed: Package) -> None:
    broken = {one.rule for one in verify(sealed.path).findings if one.severity == "must"}
    # Apple's players want cbcs in HLS.
    assert broken == (set() if sealed.path.name.startswith("cbcs") else {"HLS 13.11"})


@pytest.mark.parametrize("sealed", ["cbcs"], indirect=True)
@pytest.mark.parametrize(
    ("rule", "name", "pattern", "new"),
    [
        ("CENC 11.2", "manifest.mpd", 'default_KID="0001', 'default_KID="ff01'),
        ("CENC 11.2", "manifest.mpd", 'value="cbcs"', 'value="cenc"'),
        ("CENC 11.2", "manifest.mpd", "dash:mp4protection", "dash:other"),
        ("CENC 11.2 pssh", "manifest.mpd", "<cenc:pssh>AAAA", "<cenc:pssh>AAAB"),
        ("CENC 11.2 pssh", "manifest.mpd", "<cenc:pssh>....", "<cenc:pssh>"),
        ("CENC 11.2 pssh", "manifest.mpd", "uuid:edef8ba9", "uuid:edef8ba8"),
        ("RFC 8216 4.3.2.4", "audio/en-2ch.m3u8", "#EXT-X-KEY:.*\n", ""),
        ("RFC 8216 4.3.2.4", "video/h264-90p.m3u8", "METHOD=[^\n]*", "METHOD=NONE"),
        ("HLS 13.11", "video/h264-90p.m3u8", "SAMPLE-AES", "SAMPLE-AES-CTR"),
        ("HLS 13.7", "video/h264-90p.mp4", "(?s)(tenc.{5})\x19", "\\1\x10"),
    ],
)
def test_manifests_that_are_wrong_about_keys_are_found(
    sealed: Package, tmp_path: Path, rule: str, name: str, pattern: str, new: str
) -> None:
    shutil.copytree(sealed.path, tmp_path / "changed")
    path = tmp_path / "changed" / name
    old = path.read_bytes()
    path.write_bytes(re.sub(pattern.encode("latin-1"), new.encode("latin-1"), old))
    assert path.read_bytes() != old
    assert rule in {one.rule for one in verify(tmp_path / "changed").findings}


def test_segments_as_files_are_encrypted_alike(
    ffmpeg: Ffmpeg, small: RenditionSet, clear: Package, tmp_path: Path
) -> None:
    protection = Protection("cbcs", (PICTURES, SOUND))
    into = tmp_path / "files"
    into.mkdir()
    made = package(ffmpeg, small, into, layout=FILES, protection=protection)
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
        segment_seconds=Fraction(3),
        layout=layout,
        protection=protection,
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
            package(ffmpeg, small, tmp_path, segment_seconds=Fraction(6), protection=protection)
        # Nothing was begun.
        assert not list(tmp_path.iterdir())


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
        *(ffmpeg, small, into), segment_seconds=Fraction(3), layout=FILES, protection=protection
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
    package(ffmpeg, small, into, layout=FILES)
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


def test_what_has_another_key_is_another_adaptation_set(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    large = make_video(ffmpeg, tmp_path / "h264-720p.mp4", (1280, 720), crf=50)
    keys = (replace(PICTURES, classes=("sd",)), replace(SOUND, classes=("hd", "audio")))
    into = tmp_path / "package"
    into.mkdir()
    both = replace(small, video=(large, *small.video))
    made = package(ffmpeg, both, into, protection=Protection("cbcs", keys))
    root = ElementTree.parse(made.path / "manifest.mpd").getroot()
    kids = [
        one.attrib[f"{CENC}default_KID"].replace("-", "")
        for one in root.iter(f"{MPD}ContentProtection")
        if one.attrib["schemeIdUri"].endswith("mp4protection:2011")
    ]
    assert kids == [SOUND.kid.hex(), PICTURES.kid.hex(), SOUND.kid.hex()]
    assert not [one for one in verify(made.path).findings if one.severity == "must"]


@pytest.mark.parametrize(
    ("change", "why"),
    [(("hd",), "no key is for sd"), (("sd",), "no key is for audio")],
)
def test_a_missing_key_is_named(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path, change: tuple[Resolution, ...], why: str
) -> None:
    keys = (replace(PICTURES, classes=change),)
    with pytest.raises(PackageError, match=why):
        package(ffmpeg, small, tmp_path, protection=Protection("cbcs", keys))


def test_what_encrypts_may_be_missing(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(MachineError, match=r"pip install 'encoder\[protect\]'"):
        package(ffmpeg, small, tmp_path, protection=Protection("cbcs", (PICTURES, SOUND)))
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
        packages.append(package(ffmpeg, every, into, protection=protection).path)
        assert not [one for one in verify(into).findings if one.severity == "must"]
    for one in sounds:
        clear, sealed = (path / f"audio/{one.id}.mp4" for path in packages)
        assert b"enca" in sealed.read_bytes()
        frames = decoded(ffmpeg, sealed, SOUND.key)
        assert frames == decoded(ffmpeg, clear, SOUND.key)
        assert len(frames) > 100


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tiles_of_av1_come_back_with_the_key(
    ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path, scheme: Scheme
) -> None:
    packages: list[Path] = []
    for protection in (None, Protection(scheme, (PICTURES,))):
        into = tmp_path / f"package-{len(packages)}"
        into.mkdir()
        packages.append(package(ffmpeg, av1, into, protection=protection).path)
    old, new = (path / "video/av1-90p.mp4" for path in packages)
    found = decoded(ffmpeg, new, PICTURES.key)
    assert found == decoded(ffmpeg, old, PICTURES.key)
    assert len(found) == FRAMES
    movie, before = read_packaged(new), read_packaged(old)
    assert movie.track.codec_string == before.track.codec_string
    pairs = [
        (one, two)
        for run, other in zip(movie.runs, before.runs, strict=True)
        for one, two in zip(samples(new, run), samples(old, other), strict=True)
    ]
    assert all(len(one) == len(two) for one, two in pairs)
    # Temporal delimiter, its size, and the header of the next OBU at least.
    assert all(one[:3] == two[:3] for one, two in pairs)
    changed = sum(x != y for one, two in pairs for x, y in zip(one, two, strict=True))
    total = sum(len(one) for one, _ in pairs)
    # The smallest tiles are of no whole block.
    assert (0.03 < changed / total < 0.2) if scheme == "cbcs" else (0.4 < changed / total < 1)
    assert not list(packages[1].rglob("*marked*"))


def test_tiles_that_are_not_found_are_told(
    ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(ffmpeg: Ffmpeg, source: Path, target: Path) -> None:
        rewrap_marked(ffmpeg, source, target)
        data = target.read_bytes()
        target.write_bytes(data.replace(b"senc\0\0\0\x02", b"senc\0\0\0\0"))

    monkeypatch.setattr("encoder.package.av1_tiles.rewrap_marked", whole)
    with pytest.raises(PackageError, match="this FFmpeg encrypts AV1 whole"):
        package(ffmpeg, av1, tmp_path, protection=Protection("cbcs", (PICTURES,)))


def test_other_codings_are_refused_by_name(clear: Package) -> None:
    path = clear.path / "video/h264-90p.mp4"
    movie = read_packaged(path)
    hevc = replace(movie, track=replace(movie.track, codec_string="hvc1.1.6.L93.B0"))
    with pytest.raises(PackageError, match=r"it is hvc1\..*H.264 \(avc1\) and AV1"):
        seal(path, hevc, path, Protection("cbcs", (PICTURES, SOUND)))


# What x264 can write that makes headers of slices differ: references reordered and weighted,
# interlaced, CAVLC, several slices.
@pytest.mark.parametrize(
    "options",
    [
        "ref=4:bframes=3:weightp=2:b-pyramid=normal",
        "cabac=0:weightp=2:slices=3:ref=2",
        "tff=1:ref=3:bframes=2:weightb=1",
        "bframes=0:keyint=8:no-deblock=1:aud=1",
    ],
)
def test_headers_of_slices_end_where_ffmpeg_reads_their_end(
    ffmpeg: Ffmpeg, tmp_path: Path, options: str
) -> None:
    path = tmp_path / "slices.mp4"
    source = "testsrc2=s=160x96:r=25:d=1.2,fade=in:0:20"
    arguments = ["-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    arguments += ["-x264-params", options, "-movflags", "+frag_keyframe+empty_moov"]
    output(ffmpeg, [*arguments, "-f", "mp4", f"file:{path}"])
    raw = tmp_path / "slices.h264"
    convert = ["-i", f"file:{path}", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264"]
    output(ffmpeg, [*convert, f"file:{raw}"])
    record = re.search(rb"avcC(.*?)(?:colr|pasp|btrt|fiel)", path.read_bytes(), re.DOTALL)
    assert record is not None
    known = parse_parameters(record[1][:-4])
    units = re.split(rb"\x00\x00\x00?\x01", raw.read_bytes())[1:]
    found = [header_bytes(unit, known) for unit in units if unit[0] & 31 in (1, 5)]
    assert found == _traced(ffmpeg, raw, len(found))


def _traced(ffmpeg: Ffmpeg, raw: Path, count: int) -> list[int]:
    """The ends of the headers of slices in whole bytes, by FFmpeg's own reading of them."""
    import subprocess

    arguments = [str(ffmpeg.path), "-hide_banner", "-i", f"file:{raw}", "-c", "copy"]
    arguments += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    ends: list[int] = []
    slice_ = False
    for line in done.stderr.splitlines():
        text = line.partition("] ")[2]
        if field := re.fullmatch(r"(\d+) +(\S+) +([01]+) = .*", text):
            if slice_ and field[2] != "cabac_alignment_one_bit":
                ends[-1] = (int(field[1]) + len(field[3]) + 7) // 8
        else:
            slice_ = text == "Slice Header"
            if slice_:
                ends.append(0)
    assert len(ends) >= count > 0
    return ends[-count:]


def test_bytes_that_prevent_start_codes_count_as_header() -> None:
    sequence = Sequence(False, True, 16, 0, 16, False, True)
    picture = Picture(0, True, False, (1, 1), False, 0, False, False)
    known = Parameters({0: sequence}, {0: picture})
    # first_mb 0, slice_type 7, set 0, then frame_num and the order's 16 bits each, all zeros, and
    # slice_qp_delta 0: 42 bits, which a byte of 3 divides.
    unit = bytes.fromhex("01888000000300407f7f7f")
    assert header_bytes(unit, known) == 8
    with pytest.raises(Damaged, match="ends within"):
        header_bytes(unit[:7], known)
    with pytest.raises(Damaged, match="does not have"):
        header_bytes(unit, Parameters({}, {}))


def test_classes_go_by_the_shorter_side() -> None:
    assert resolution_class(0, 0) == "audio"
    sizes = ((720, 576), (1080, 1920), (1920, 1088), (3840, 2160))
    assert [resolution_class(*one) for one in sizes] == ["sd", "hd", "hd", "uhd"]


def test_systems_get_what_their_formats_say() -> None:
    kid = bytes(range(16))
    assert WIDEVINE.hex.startswith("edef8ba9")
    assert PLAYREADY.hex.startswith("9a04f079")
    # key_ids: field 2 of 16 bytes; protection_scheme: field 9, "cbcs" as a number.
    assert widevine_data("cbcs", kid) == b"\x12\x10" + kid + bytes.fromhex("48f3c6899b06")
    made = playready_object("cbcs", kid)
    assert int.from_bytes(made[:4], "little") == len(made)
    text = made[10:].decode("utf-16-le")
    assert 'ALGID="AESCBC" VALUE="AwIBAAUEBwYICQoLDA0ODw=="' in text
    ElementTree.fromstring(text)
