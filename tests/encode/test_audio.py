"""Audio renditions: in time with the pictures, as long as asked, every track under its name."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from encoder.encode.audio import encode_audio
from encoder.errors import MasterError
from encoder.ffmpeg.locate import locate
from encoder.media.policy import AudioPolicy

from .sounds import (
    BEEP,
    FLASH,
    RATE,
    SINE,
    VIDEO,
    Title,
    beep_master,
    flash_time,
    make,
    onset,
    samples,
    surround,
    title,
    tone,
    with_sound,
)

# A folder with damaged and unusual clips, which are not part of the project.
CLIPS = os.environ.get("ENCODER_TEST_CLIPS", "")


def check_sync(path: Path, into: Path) -> float:
    """The beep comes with the flash, to 5 ms (AAC blurs an onset by about one); when it does."""
    into.mkdir()
    made = title(path)
    (rendition,) = made.encode(into)
    sound = samples(rendition.path)
    heard, seen = onset(sound), float(flash_time(path))
    assert heard == pytest.approx(seen, abs=0.005)
    covered = sound.shape[1]
    needed = math.ceil(made.duration * RATE)
    assert needed <= covered < needed + 1024
    return heard


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", ("-c:a", "pcm_s16le")),
        ("a.mov", ("-c:a", "pcm_s24le")),
        ("a.mp4", ("-c:a", "aac")),
        ("a.mkv", ("-c:a", "libopus")),
        ("a.ts", ("-c:a", "ac3")),
        ("a.ts", ("-c:a", "mp2", "-output_ts_offset", "100000")),
        ("a.mkv", ("-c:a", "flac", "-ar", "44100")),
    ],
)
@pytest.mark.parametrize(
    ("video_late", "audio_late"), [(0, 0), (0.5, 0), (0, 1.5), (1, 0.02)], ids=str
)
def test_the_beep_comes_with_the_flash(
    tmp_path: Path, name: str, options: tuple[str, ...], video_late: float, audio_late: float
) -> None:
    path = beep_master(
        tmp_path / name, video_late=video_late, audio_late=audio_late, options=options
    )
    assert check_sync(path, tmp_path / "out") == pytest.approx(FLASH - video_late, abs=0.005)


@pytest.mark.parametrize("frame", [30, 12])
def test_an_edit_list_is_heeded(tmp_path: Path, frame: int) -> None:
    # A copy that starts between key frames: an edit list hides the pictures before the cut.
    whole = beep_master(tmp_path / "whole.mp4", options=("-c:a", "aac"))
    start = f"{frame / 24:.6f}"
    path = make(tmp_path / "cut.mp4", "-ss", start, "-i", whole.name, "-c", "copy")
    heard = check_sync(path, tmp_path / "out")
    assert heard == pytest.approx(FLASH - frame / 24, abs=0.005)


def test_negative_timestamps(tmp_path: Path) -> None:
    options = ("-c:a", "pcm_s16le", "-output_ts_offset", "-1", "-avoid_negative_ts", "disabled")
    path = beep_master(tmp_path / "early.mov", options=options)
    check_sync(path, tmp_path / "out")


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    hole = "aselect='not(between(t,0.5,1.2))'"
    path = beep_master(tmp_path / "gap.mkv", audio_filter=hole)
    check_sync(path, tmp_path / "out")


def test_overlapping_sound_is_cut(tmp_path: Path) -> None:
    # All but the first half second comes 0.2 s early, in the master's own clock.
    early = "asetpts='PTS-if(gt(T,0.5),0.2,0)/TB'"
    path = beep_master(tmp_path / "overlap.nut", audio_filter=early)
    into = tmp_path / "out"
    into.mkdir()
    (rendition,) = title(path).encode(into)
    # Within what is tolerated before sound is put back in its place.
    assert onset(samples(rendition.path)) == pytest.approx(FLASH - 0.2, abs=0.04)


@pytest.mark.parametrize("rate", ["24", "30000/1001", "24000/1001"])
@pytest.mark.parametrize("sound", [1.2, 4])
def test_sound_is_exactly_as_long_as_the_video(tmp_path: Path, sound: float, rate: str) -> None:
    pictures = f"color=s=64x64:r={rate},trim=end_frame=71"
    path = make(
        tmp_path / "a.mkv",
        *("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", SINE),
        *("-af", f"atrim=end={sound}", "-c:v", "libx264", "-c:a", "flac"),
    )
    made = title(path)
    assert made.duration == 71 / Fraction(rate)
    (rendition,) = made.encode(tmp_path)
    heard = samples(rendition.path)
    needed = math.ceil(made.duration * RATE)
    assert needed <= heard.shape[1] < needed + 1024
    # The encoder's echo of a sine that stops dies away below a tenth of it within 3 ms.
    loud = np.flatnonzero(np.abs(heard[0]) > 0.02)
    assert loud[-1] / RATE == pytest.approx(min(sound, float(made.duration)), abs=0.003)


@pytest.mark.skipif(not CLIPS, reason="ENCODER_TEST_CLIPS names no folder of clips")
@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("audio_starts_1.5s_late.mp4", 1.48),
        ("duplicate_audio_dts.ts", 0.0),
        ("negative_pts_streamcopy_cut.mp4", 0.0),
        ("mpeg4_mp3_960x400.avi", 0.51),
    ],
)
def test_real_oddities(tmp_path: Path, name: str, starts: float) -> None:
    made = title(Path(CLIPS, name))
    (rendition,) = made.encode(tmp_path)
    sound = samples(rendition.path)
    assert onset(sound, 0.001) == pytest.approx(starts, abs=0.03)
    needed = math.ceil(made.duration * RATE)
    assert needed <= sound.shape[1] < needed + 1024


def test_a_master_of_one_frame(tmp_path: Path) -> None:
    made = title(with_sound(tmp_path / "a.mkv", SINE))
    (rendition,) = encode_audio(
        locate(), made.master, made.conform, Fraction(1, 24), AudioPolicy(), tmp_path
    )
    assert rendition.loudness.integrated is None
    assert samples(rendition.path).shape[1] == 2048


def test_a_silent_master_has_no_renditions(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", VIDEO, "-c:v", "libx264")
    assert title(path).encode(tmp_path) == ()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_languages_and_purposes(tmp_path: Path) -> None:
    sources = [surround(*[tone(0.05, 300 + 100 * n)] * 2, layout="stereo") for n in range(4)]
    sources.append(surround(*[tone(0.02, 800)] * 6))
    options = ["-c:a", "flac"]
    for index, (code, disposition) in enumerate(
        [
            ("deu", "0"),
            ("eng", "comment"),
            ("eng", "visual_impaired"),
            ("eng", "0"),
            ("eng", "default"),
        ]
    ):
        options += [f"-metadata:s:a:{index}", f"language={code}"]
        options += [f"-disposition:a:{index}", disposition]
    path = with_sound(tmp_path / "a.mkv", *sources, options=tuple(options))
    into = tmp_path / "out"
    into.mkdir()
    renditions = title(path).encode(into)
    assert [(r.id, r.name, r.language, r.roles, r.default) for r in renditions] == [
        ("audio-deu-stereo", "German", "de", ("main",), False),
        ("audio-eng-commentary-stereo", "English commentary", "en", ("commentary",), False),
        ("audio-eng-description-stereo", "English description", "en", ("description",), False),
        ("audio-eng-stereo", "English", "en", ("main",), False),
        ("audio-eng-2-stereo", "English 2", "en", ("main",), True),
        ("audio-eng-surround", "English 5.1", "en", ("main",), True),
    ]
    assert [r.source for r in renditions] == [1, 2, 3, 4, 5, 5]
    assert sorted(p.name for p in into.iterdir()) == sorted(f"{r.id}.mp4" for r in renditions)
    # Each is the sound of its own stream.
    for number, rendition in enumerate(renditions[:4]):
        spectrum = np.abs(np.fft.rfft(samples(rendition.path)[0][RATE : 2 * RATE]))
        assert int(spectrum.argmax()) == 300 + 100 * number


def corrupt(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


@pytest.fixture
def with_broken_track(tmp_path: Path) -> Title:
    """A good track, and one whose every frame is damaged."""
    path = with_sound(tmp_path / "a.mkv", SINE, SINE, options=("-c:a:0", "flac", "-c:a:1", "ac3"))
    made = title(path)
    corrupt(path, b"\x0b\x77", b"\0\0")
    return made


def test_an_undecodable_track_is_told_of(with_broken_track: Title, tmp_path: Path) -> None:
    made, said = with_broken_track, list[str]()
    into = tmp_path / "out"
    into.mkdir()
    (rendition,) = encode_audio(
        locate(),
        made.master,
        made.conform,
        made.duration,
        AudioPolicy(),
        into,
        on_warning=said.append,
    )
    assert rendition.source == made.master.audio[0].index
    assert len(said) == 1
    assert f"Audio stream {made.master.audio[1].index} (ac3, und) cannot be decoded" in said[0]


def test_an_undecodable_track_is_an_error_unless_told_of(
    with_broken_track: Title, tmp_path: Path
) -> None:
    with pytest.raises(MasterError, match="audio track cannot be decoded") as error:
        with_broken_track.encode(tmp_path)
    assert error.value.exit_code == 4


def test_progress_and_repetition(tmp_path: Path) -> None:
    made = title(with_sound(tmp_path / "a.mkv", surround(*[tone(0.1)] * 6)))
    files = []
    for name in ("one", "two"):
        into = tmp_path / name
        into.mkdir()
        seen: list[int] = []
        renditions = encode_audio(
            locate(),
            made.master,
            made.conform,
            made.duration,
            AudioPolicy(),
            into,
            on_progress=seen.append,
        )
        files.append([rendition.path.read_bytes() for rendition in renditions])
        assert seen == sorted(seen)
        assert 0 <= seen[0] <= seen[-1] <= made.master.video.frames
        assert seen[-1] == made.master.video.frames
    assert files[0] == files[1]


def test_sound_that_changes_its_layout_is_refused(tmp_path: Path) -> None:
    def part(name: str, source: str, start: str) -> bytes:
        options = ("-c:a", "ac3", "-output_ts_offset", start)
        return with_sound(tmp_path / name, source, options=options).read_bytes()

    path = tmp_path / "change.ts"
    first, second = part("1.ts", surround(*[tone(0.1)] * 6), "0"), part("2.ts", SINE, "4")
    path.write_bytes(first + second)
    with pytest.raises(MasterError, match="audio changes its format") as error:
        title(path).encode(tmp_path)
    assert "one format" in error.value.hint


def test_hostile_names(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100%: a [b],c;d\\e=ü"
    folder.mkdir()
    plain = with_sound(tmp_path / "plain.mkv", BEEP)
    path = folder / "- x 'y' %d:\n.mkv"
    path.write_bytes(plain.read_bytes())
    (rendition,) = title(path).encode(folder)
    assert onset(samples(rendition.path)) == pytest.approx(FLASH, abs=0.005)
