"""Renditions that were encoded elsewhere: packaged as they are, or refused, naming the frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from encoder.cli.main import run as encoder
from encoder.engine.targets import identifier
from encoder.errors import ExitCode
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.package.alignment import Candidate, disagreements, unfit
from encoder.probe.coded import read_coded
from encoder.verify.verify import verify
from tests.package.media import output, packets

FRAMES = 100
RATE = Fraction(24000, 1001)
TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=limited"
SOUND = "aevalsrc=0.4*sin(2*PI*(200+150*t)*t):s=48000"


def make(
    folder: Path,
    name: str,
    *,
    size: str = "160x90",
    rate: Fraction = RATE,
    frames: int = FRAMES,
    gop: int = 40,
    codec: Sequence[str] = ("libx264", "-preset", "veryfast", "-bf", "2"),
    sound: Sequence[str] = (),
    more: Sequence[str] = (),
) -> Path:
    """A rung of moving test pictures in the container of its name, maybe with sound."""
    path = folder / name
    arguments = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate},format=yuv420p,{TAGS},setsar=1"]
    if sound:
        arguments += ["-f", "lavfi", "-i", f"{SOUND}:d={float(frames / rate)}"]
    arguments += ["-frames:v", str(frames), "-c:v", *codec, "-g", str(gop), *sound]
    arguments += ["-keyint_min", str(gop), "-sc_threshold", "0", "-threads", "1", *more]
    run(locate(), [*arguments, f"file:{path}"], log_level="level+error")
    return path


def make_sound(folder: Path, name: str, codec: str, seconds: Fraction = FRAMES / RATE) -> Path:
    path = folder / name
    arguments = ["-f", "lavfi", "-i", f"{SOUND}:d={float(seconds)}", "-c:a", codec]
    run(locate(), [*arguments, "-metadata:s:a:0", "language=fra", f"file:{path}"])
    return path


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files of one title."""
    folder = tmp_path_factory.mktemp("given")
    make(folder, "high.mp4", size="320x180")
    make(folder, "mid.ts", size="192x108", sound=("-c:a", "aac"))
    make(folder, "low.mkv", codec=("libx264", "-preset", "veryfast", "-bf", "0"))
    svt = ("libsvtav1", "-preset", "12", "-svtav1-params", "scd=0:keyint=40:lp=1")
    make(folder, "new.webm", codec=svt)
    # With pictures that are only for reference, in superframes.
    vpx = ("libvpx-vp9", "-deadline", "good", "-cpu-used", "8", "-b:v", "200k")
    hidden = ("-auto-alt-ref", "1", "-lag-in-frames", "20")
    make(folder, "vp9.webm", codec=vpx, more=hidden)
    # In Matroska, whose times are milliseconds, 48 frames do not fit 24 but 24000/1001 as well.
    x265 = "keyint=40:min-keyint=40:scenecut=0:open-gop=0:log-level=1:pools=1"
    hevc = ("libx265", "-preset", "ultrafast", "-x265-params", x265)
    fragmented = ("-movflags", "+frag_keyframe+empty_moov", "-tag:v", "hev1")
    make(folder, "hevc.mp4", codec=hevc, more=fragmented)
    make_sound(folder, "sound.m4a", "aac")
    make_sound(folder, "sound.webm", "libopus")
    return folder


@pytest.fixture
def package(
    given: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Runs the verb on files of the folder: exit code, standard output, standard error."""
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path / "cache"))

    def call(*names: str | Path, more: Sequence[str] = ()) -> tuple[int, str, str]:
        paths = [str(given / name) for name in names]
        code = encoder(["package", *paths, "-o", str(tmp_path / "out"), *more])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def pictures(path: Path, *reading: str) -> list[str]:
    arguments = [*reading, "-i", f"file:{path}", "-map", "0:v:0", "-f", "framemd5", "pipe:1"]
    rows = output(locate(), arguments).decode().splitlines()
    return [row.split(",")[-1] for row in rows if not row.startswith("#")]


def heard(path: Path) -> bytes:
    arguments = ["-i", f"file:{path}", "-map", "0:a:0", "-f", "s16le", "pipe:1"]
    return output(locate(), arguments)


def test_hevc_that_was_encoded_elsewhere_is_encrypted(
    package: Callable[..., tuple[int, str, str]], given: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    keys, secret = tmp_path / "keys.yaml", "0123456789abcdef" * 2
    keys.write_text(f'keys: [{{kid: "{"12" * 16}", key: "{secret}"}}]')
    code, _, said = package("hevc.mp4", more=["--protect", str(keys)])
    assert code == 0, said
    made = tmp_path / "out/video/hevc.mp4"
    assert b"encv" in made.read_bytes()
    found = pictures(made, "-decryption_key", secret)
    assert found == pictures(given / "hevc.mp4")
    assert len(found) == FRAMES


def test_files_of_any_container_are_packaged_as_they_are(
    package: Callable[..., tuple[int, str, str]], given: Path, tmp_path: Path
) -> None:
    video = ("mid.ts", "high.mp4", "low.mkv", "new.webm", "hevc.mp4", "vp9.webm")
    names = (*video, "sound.m4a", "sound.webm")
    code, out, said = package(*names, more=["--json"])
    assert code == 0, said
    document = json.loads(out)
    assert document["schema"] == "encoder.package/1"
    made = tmp_path / "out"
    tracks = {one["id"]: one for one in document["tracks"]}
    assert list(tracks)[:2] == ["high", "mid"]
    for name in video:
        stem = Path(name).stem
        assert tracks[stem]["frames"] == FRAMES
        assert pictures(made / tracks[stem]["path"]) == pictures(given / name)
    assert tracks["hevc"]["codec_string"].startswith("hvc1.")
    assert tracks["vp9"]["codec_string"].startswith("vp09.00.")
    assert {one["codec_string"] for one in document["tracks"] if one["kind"] == "audio"} == {
        "mp4a.40.2",
        "Opus",
    }
    sound = (
        heard(made / tracks["audio-fra-stereo"]["path"]) if "audio-fra-stereo" in tracks else b""
    )
    sound = sound or heard(made / tracks["audio-fra-mono"]["path"])
    assert sound[:100_000] == heard(given / "sound.m4a")[:100_000]
    assert [one for one in verify(made).findings if one.severity == "must"] == []
    assert "its sound is left out" in said
    for manifest in ("master.m3u8", "manifest.mpd"):
        counts: dict[str, int] = {}
        for row in packets(locate(), made / manifest, "v"):
            counts[row[0]] = counts.get(row[0], 0) + 1
        assert list(counts.values()) == [FRAMES] * len(video)


def test_pictures_are_at_exact_times_whatever_the_container_rounds(
    package: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert package("low.mkv", "mid.ts", more=["--segments", "files"])[0] == 0
    for name in ("low", "mid"):
        rows = packets(locate(), tmp_path / f"out/video/{name}.m3u8", "v:0")
        assert sorted(int(row[2]) for row in rows) == [n * 1001 for n in range(FRAMES)]


def test_sound_of_a_transport_stream_keeps_its_place(
    package: Callable[..., tuple[int, str, str]], given: Path, tmp_path: Path
) -> None:
    code, out, _ = package("mid.ts", more=["--json"])
    assert code == 0
    (sound,) = [one for one in json.loads(out)["tracks"] if one["kind"] == "audio"]
    # The stream starts an access unit before the pictures: what the encoder put there.
    source = read_coded(given / "mid.ts")
    assert source.video is not None
    early = source.video.stream.start - source.audio[0].start
    assert 0 <= early < Fraction(1, 20)
    wanted = heard(given / "mid.ts")[2 * round(early * 48000) :]
    found = heard(tmp_path / "out" / sound["path"])
    assert len(found) > 300_000
    assert found[4096:200_000] == wanted[4096:200_000]


def test_a_transport_stream_of_sound_alone_starts_with_the_pictures(
    package: Callable[..., tuple[int, str, str]], given: Path, tmp_path: Path
) -> None:
    sound = make_sound(tmp_path, "alone.ts", "aac")
    clock = read_coded(sound).audio[0].start
    assert clock > 1
    code, out, said = package("high.mp4", sound, more=["--json"])
    assert code == 0, said
    (track,) = [one for one in json.loads(out)["tracks"] if one["kind"] == "audio"]
    found = heard(tmp_path / "out" / track["path"])
    assert found[4096:200_000] == heard(sound)[4096:200_000]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that do not fit the others."""
    folder = tmp_path_factory.mktemp("odd")
    make(folder, "gop.mp4", gop=50)
    make(folder, "short.mp4", frames=90)
    make(folder, "fast.ts", rate=Fraction(25))
    make(folder, "open.mp4", more=("-x264-params", "open-gop=1:bframes=3"))
    make(folder, "vp8.webm", codec=("libvpx", "-deadline", "realtime", "-cpu-used", "8"))
    make(folder, "wide.mp4", more=("-aspect", "4:3"))
    make_sound(folder, "short.m4a", "aac", Fraction(2))
    make_sound(folder, "vorbis.mka", "libvorbis")
    whole = (make(folder, "whole.mp4", size="192x108")).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (folder / "noise.ts").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("high.mp4", "low.mkv", "gop.mp4"), ["gop.mp4 has no key frame at frames 40, 80", "50"]),
        # The majority is right, whichever comes first.
        (("gop.mp4", "high.mp4", "low.mkv"), ["gop.mp4 has no key frame at frames 40, 80"]),
        (("high.mp4", "gop.mp4"), ["no key frame at frames", "as many have one as the other"]),
        (("short.mp4", "high.mp4", "mid.ts"), ["short.mp4 has 90 frames, 10 (0.417 s) fewer than"]),
        (("high.mp4", "low.mkv", "fast.ts"), ["fast.ts has 25 frames a second", "23.976"]),
        (("high.mp4", "open.mp4"), ["open.mp4: pictures before frames 40, 80 need what comes"]),
        (("high.mp4", "vp8.webm"), ["its video is vp8, and H.264, HEVC, AV1 and VP9 are packaged"]),
        (("high.mp4", "wide.mp4"), ["wide.mp4: its pixels are not square"]),
        (("high.mp4", "vorbis.mka"), ["its sound is vorbis"]),
        (("high.mp4", "short.m4a"), ["it ends", "before the video does"]),
        (("sound.m4a",), ["There is nothing to package"]),
        (("high.mp4", "cut.mp4"), ["cut.mp4"]),
        (("high.mp4", "noise.ts"), ["noise.ts"]),
        (("high.mp4", "none.mp4"), ["There is no such file", "none.mp4"]),
    ],
)
def test_what_does_not_fit_is_named(
    package: Callable[..., tuple[int, str, str]],
    given: Path,
    odd: Path,
    tmp_path: Path,
    names: tuple[str, ...],
    said: list[str],
) -> None:
    paths = [given / name if (given / name).exists() else odd / name for name in names]
    code, out, error = package(*paths)
    assert code == ExitCode.PACKAGE
    assert out == ""
    for words in said:
        assert words in error
    # Nothing is published, and no copy of a file is what is blamed.
    assert not (tmp_path / "out").exists()
    assert str(tmp_path / "cache") not in error


def test_a_refusal_is_machine_readable(
    package: Callable[..., tuple[int, str, str]], odd: Path
) -> None:
    code, out, _ = package("high.mp4", "low.mkv", odd / "gop.mp4", more=["--json"])
    error = json.loads(out)
    assert (error["schema"], error["exit_code"]) == ("encoder.error/1", code)
    assert "frames 40, 80" in error["why"]


def test_a_folder_and_files_are_not_mixed(
    package: Callable[..., tuple[int, str, str]], given: Path
) -> None:
    assert package(given, "high.mp4")[0] == ExitCode.USAGE
    assert package("high.mp4", "high.mp4")[0] == ExitCode.USAGE


def test_packets_are_read_as_they_are(given: Path, odd: Path) -> None:
    video = read_coded(given / "high.mp4").video
    assert video is not None
    assert (video.frames, video.keyframes, video.leading) == (FRAMES, (0, 40, 80), ())
    assert video.delay == 1
    assert video.strays(RATE) is None
    # Half a percent faster, the last frames are a quarter of one away.
    assert (video.strays(RATE * Fraction(201, 200)) or 0) > 40
    opened = read_coded(odd / "open.mp4").video
    assert opened is not None
    assert opened.leading == (40, 80)
    with av.open(str(given / "high.mp4")) as container:
        assert video.stream.index == container.streams.video[0].index


def test_a_rate_that_milliseconds_do_not_tell_is_that_of_the_others(given: Path) -> None:
    video = read_coded(given / "high.mp4").video
    assert video is not None
    rounded = replace(
        video,
        stream=replace(video.stream, frame_rate=Fraction(24)),
        time_base=Fraction(1, 1000),
        times=tuple(round(n * 1000 / RATE) for n in range(FRAMES)),
    )
    files = [Candidate("a.mp4", video), Candidate("b.ts", video), Candidate("c.webm", rounded)]
    assert disagreements(files) == ()
    assert unfit(files[2], RATE) == ()
    # A longer one would tell: at the end it is a quarter of a frame away, and more.
    long = replace(rounded, times=tuple(round(n * 1000 / 24) for n in range(600)))
    (first, *_) = disagreements([*files[:2], Candidate("c.webm", long)])
    assert first == "c.webm has 24 frames a second, a.mp4 and b.ts 23.976"


def test_a_rate_that_varies_is_refused(given: Path) -> None:
    video = read_coded(given / "high.mp4").video
    assert video is not None
    times = (*video.times[:30], video.times[30] + 500, *video.times[31:])
    (said,) = unfit(Candidate("a.mp4", replace(video, times=times)), RATE)
    assert "frame 30 is shown at 1.272 s, and belongs at 1.251 s" in said
    hidden = replace(video, hidden=3, keyframes=(40, 80))
    assert len(unfit(Candidate("a.mp4", hidden), RATE)) == 2


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_sound_alone_is_read(given: Path, codec: str) -> None:
    found = read_coded(given / ("sound.m4a" if codec == "aac" else "sound.webm"))
    assert found.video is None
    assert [one.language for one in found.audio] == ["fra"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("720p.mp4", "720p"),
        ("a b/100% #\u00fc\u00e9.mov", "100_ue"),
        ("\u65e5" * 70 + " 720p.mp4", "720p"),
        ("\u65e5\u672c.mp4", "file"),
        ("..mp4", "file"),
        ("iframes.ts", "iframes-2"),
    ],
)
def test_names_of_tracks_are_of_ascii(name: str, expected: str) -> None:
    assert identifier(Path(name), {"iframes"}, portable=True) == expected


def test_names_of_many_bytes_are_names_still() -> None:
    found = identifier(Path("\u65e5" * 80 + ".mp4"), ())
    assert set(found) == {"\u65e5"}
    assert len(found.encode()) <= 160
