"""A track of a key frame a second, for players to scrub with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.colour import BT709
from encoder.media.conform import Conform
from encoder.media.package import Layout, Package, Packaging
from encoder.media.pictures import Pictures
from encoder.media.protection import ContentKey, Protection
from encoder.media.renditions import RenditionSet
from encoder.media.stills import still_count
from encoder.package.dense import DENSE_ID
from encoder.package.package import package
from encoder.pictures.dense import make_dense
from encoder.verify.verify import verify

from . import independent
from .media import FRAMES, RATE, output


@pytest.fixture(scope="session")
def scrubbed(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path_factory: pytest.TempPathFactory
) -> RenditionSet:
    """Two rungs with a track of nine pictures, of stills as analysis keeps them."""
    folder = tmp_path_factory.mktemp("dense")
    conform = Conform(
        stream_index=0,
        input_options=(),
        filters=(),
        width=320,
        height=180,
        frame_rate=RATE,
        colour=BT709,
        audio_offset=Fraction(0),
        changes=(),
        pixel_format="yuv420p",
        tone_mapped=False,
    )
    stills = folder / "stills.mjpeg"
    source = f"testsrc2=size=320x180:rate={RATE},select=not(mod(n\\,24)),format=yuvj420p"
    arguments = ["-f", "lavfi", "-i", source, "-fps_mode", "passthrough", "-c:v", "mjpeg"]
    count = still_count(FRAMES, RATE)
    output(ffmpeg, [*arguments, "-frames:v", str(count), "-f", "mjpeg", f"file:{stills}"])
    dense = make_dense(ffmpeg, stills, conform, FRAMES, folder)
    made = replace(dense, path=folder / dense.path)
    return replace(
        renditions,
        video=renditions.video[1:],
        audio=renditions.audio[:1],
        pictures=Pictures(dense=made),
    )


@pytest.fixture(scope="session", params=["ranges", "files"])
def made(
    request: pytest.FixtureRequest,
    ffmpeg: Ffmpeg,
    scrubbed: RenditionSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Package:
    layout = Layout(request.param)
    into = tmp_path_factory.mktemp("scrubbed")
    return package(ffmpeg, scrubbed, into, Packaging(segment_seconds=Fraction(5), layout=layout))


def test_it_breaks_no_rule_about_scrubbing(made: Package) -> None:
    verdict = verify(made.path)
    assert [one for one in verdict.findings if one.severity == "must"] == []
    # Without it, I-frames once a second would be missing.
    assert "HLS 6.2" not in {one.rule for one in verdict.findings}
    assert DENSE_ID not in {track.id for track in made.tracks}


def test_every_picture_decodes_alone_for_its_second(
    ffmpeg: Ffmpeg, made: Package, tmp_path: Path
) -> None:
    playlist = made.path / "video/iframes" / f"{DENSE_ID}.m3u8"
    lines = playlist.read_text(encoding="utf-8").splitlines()
    durations = [Fraction(one[8:].rstrip(",")) for one in lines if one.startswith("#EXTINF:")]
    assert len(durations) == 9
    assert abs(sum(durations) - FRAMES / RATE) < Fraction(1, 10_000)
    assert all(abs(one - Fraction(1001, 1000)) < Fraction(1, 10_000) for one in durations[:-1])
    header = next(independent.attributes(one) for one in lines if one.startswith("#EXT-X-MAP"))
    start = (playlist.parent / header["URI"]).read_bytes()
    start = start[: int(header.get("BYTERANGE", f"{len(start)}@0").split("@")[0])]
    parts = [one[17:].split("@") for one in lines if one.startswith("#EXT-X-BYTERANGE")]
    names = [one for one in lines if not one.startswith("#")]
    assert len(parts) == len(names) == 9
    for (size, offset), name in zip(parts, names, strict=True):
        data = (playlist.parent / name).read_bytes()[int(offset) :][: int(size)]
        alone = tmp_path / "alone.mp4"
        alone.write_bytes(start + data)
        rows = output(ffmpeg, ["-i", f"file:{alone}", "-f", "framecrc", "pipe:1"]).decode()
        assert len([row for row in rows.splitlines() if not row.startswith("#")]) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('trickmode" value="0"', 'trickmode" value="7"'),
        ('trickmode" value="0"', 'trickmode" value=""'),
        ('maxPlayoutRate="24"', 'maxPlayoutRate="fast"'),
        ("<EssentialProperty", "<SupplementalProperty"),
    ],
)
def test_damage_is_found_under_its_own_rule(
    made: Package, tmp_path: Path, old: str, new: str
) -> None:
    into = Path(shutil.copytree(made.path, tmp_path / "damaged"))
    text = (into / "manifest.mpd").read_text(encoding="utf-8")
    assert old in text
    (into / "manifest.mpd").write_text(text.replace(old, new), encoding="utf-8")
    assert "IOP 3.2.9" in {one.rule for one in verify(into).findings}


@pytest.mark.parametrize("made", ["files"], indirect=True)
def test_a_rung_is_no_track_of_key_frames(made: Package, tmp_path: Path) -> None:
    into = Path(shutil.copytree(made.path, tmp_path / "damaged"))
    text = (into / "manifest.mpd").read_text(encoding="utf-8")
    trick = text.index("trickmode")
    # The set now leads to a rung, whose pictures depend on others.
    changed = text[trick:].replace(f"video/{DENSE_ID}", "video/h264-90p")
    (into / "manifest.mpd").write_text(text[:trick] + changed, encoding="utf-8")
    findings = [one for one in verify(into).findings if one.rule == "IOP 3.2.9"]
    assert any("depend on others" in one.found for one in findings)


def test_pictures_that_are_missing_are_noticed(
    ffmpeg: Ffmpeg, scrubbed: RenditionSet, tmp_path: Path
) -> None:
    dense = scrubbed.pictures.dense
    assert dense is not None
    short = replace(scrubbed, pictures=Pictures(dense=replace(dense, count=10)))
    with pytest.raises(PackageError, match="9 pictures, and 10"):
        package(ffmpeg, short, tmp_path)
    named = replace(scrubbed.video[0], id=DENSE_ID)
    twice = replace(scrubbed, video=(named,))
    with pytest.raises(PackageError, match="something else in the package"):
        package(ffmpeg, twice, tmp_path)


def test_it_is_encrypted_with_the_others(
    ffmpeg: Ffmpeg, scrubbed: RenditionSet, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    key = ContentKey(bytes(range(16)), bytes(range(16, 32)))
    found = package(ffmpeg, scrubbed, tmp_path, Packaging(protection=Protection("cbcs", (key,))))
    assert not [one for one in verify(found.path).findings if one.severity == "must"]
    path = found.path / "video" / f"{DENSE_ID}.mp4"
    secret = ["-decryption_key", key.key.hex(), "-i", f"file:{path}"]
    sealed = output(ffmpeg, [*secret, "-f", "framemd5", "pipe:1"])
    assert scrubbed.pictures.dense is not None
    clear = ["-i", f"file:{scrubbed.pictures.dense.path}", "-f", "framemd5", "pipe:1"]

    def pictures(text: bytes) -> list[str]:
        rows = [row for row in text.decode().splitlines() if not row.startswith("#")]
        return [row.split(",")[-1].strip() for row in rows]

    assert pictures(sealed) == pictures(output(ffmpeg, clear))
    assert len(pictures(sealed)) == scrubbed.pictures.dense.count
    playlist = (found.path / "video/iframes" / f"{DENSE_ID}.m3u8").read_text()
    assert f"skd://{key.kid.hex()}" in playlist
