"""Audio renditions: in time with the pictures, mixed right, as loud and as long as asked."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from encoder.encode.audio import encode_audio
from encoder.encode.audio_graph import he_aac_encoder
from encoder.engine.events import Event, StageFinished
from encoder.engine.pipeline import Pipeline
from encoder.engine.store import Store
from encoder.errors import EncodeError, MasterError
from encoder.ffmpeg.locate import Capabilities, Ffmpeg, capabilities, locate
from encoder.ladder.policy import load_policy
from encoder.media.policy import AudioPolicy

from .sounds import (
    BEEP,
    FLASH,
    RATE,
    VIDEO,
    Title,
    beep_master,
    channel_layout,
    flash_time,
    level,
    make,
    onset,
    samples,
    title,
    with_sound,
)

# A folder with damaged and unusual clips, which are not part of the project.
CLIPS = os.environ.get("ENCODER_TEST_CLIPS", "")
MINUS_3_DB = 1 / math.sqrt(2)
SINE = "aevalsrc=exprs='0.2*sin(2*PI*997*t)':s=48000:d=4"


def surround(*levels: str, layout: str = "5.1(side)") -> str:
    """A source of one expression a channel."""
    return f"aevalsrc=exprs='{'|'.join(levels)}':s=48000:d=4:c={layout}"


def tone(amplitude: float, frequency: int = 997) -> str:
    return f"{amplitude}*sin(2*PI*{frequency}*t)"


# In time with the pictures


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


# Mixed right


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)"])
@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [
        (0, 1, 0),
        (1, 0, 1),
        (2, MINUS_3_DB, MINUS_3_DB),
        (3, 0, 0),
        (4, MINUS_3_DB, 0),
        (5, 0, MINUS_3_DB),
    ],
    ids=["front left", "front right", "centre", "lfe", "surround left", "surround right"],
)
def test_each_channel_of_5_1(
    tmp_path: Path, layout: str, channel: int, left: float, right: float
) -> None:
    amplitude, frequency = 0.25, 60 if channel == 3 else 997
    levels = [tone(amplitude, frequency) if index == channel else "0" for index in range(6)]
    path = with_sound(tmp_path / "a.mkv", surround(*levels, layout=layout))
    stereo, multi = title(path).encode(tmp_path)
    heard = samples(stereo.path)
    assert level(heard[0]) == pytest.approx(amplitude * left, abs=0.004)
    assert level(heard[1]) == pytest.approx(amplitude * right, abs=0.004)
    assert (stereo.channels, multi.channels) == (2, 6)
    assert channel_layout(multi.path) == "5.1"
    for index, sound in enumerate(samples(multi.path)):
        expected = amplitude if index == channel else 0
        assert level(sound) == pytest.approx(expected, abs=0.004)


def test_7_1_becomes_5_1(tmp_path: Path) -> None:
    levels = [tone(0.1 + index / 50, 400 + 150 * index) for index in range(8)]
    path = with_sound(tmp_path / "a.mkv", surround(*levels, layout="7.1"))
    stereo, multi = title(path).encode(tmp_path)
    heard = samples(multi.path)

    def power(*amplitudes: float) -> float:
        return math.sqrt(sum(a * a for a in amplitudes))

    amplitudes = [0.1 + index / 50 for index in range(8)]
    assert level(heard[0]) == pytest.approx(amplitudes[0], rel=0.05)
    assert level(heard[2]) == pytest.approx(amplitudes[2], rel=0.05)
    rear_left = power(amplitudes[4] * MINUS_3_DB, amplitudes[6] * MINUS_3_DB)
    assert level(heard[4]) == pytest.approx(rear_left, rel=0.05)
    left = power(amplitudes[0], *(amplitudes[i] * MINUS_3_DB for i in (2, 4, 6)))
    assert level(samples(stereo.path)[0]) == pytest.approx(left, rel=0.05)
    assert stereo.source == multi.source


def test_mono_goes_to_both_at_full_level(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", f"{SINE},aformat=channel_layouts=mono")
    (stereo,) = title(path).encode(tmp_path)
    assert [level(c) for c in samples(stereo.path)] == pytest.approx([0.2, 0.2], abs=0.003)


def test_without_surround(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.1)] * 6))
    renditions = title(path).encode(tmp_path, AudioPolicy(surround=False))
    assert [one.channels for one in renditions] == [2]


def test_a_mix_does_not_clip(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.9)] * 6))
    stereo, multi = title(path).encode(tmp_path)
    overshoot = 20 * math.log10(0.9 * (1 + 2 * MINUS_3_DB))
    assert stereo.loudness.true_peak == pytest.approx(overshoot, abs=0.05)
    assert stereo.gain == pytest.approx(-1.5 - overshoot, abs=0.05)
    # The encoder itself overshoots by most of a decibel, which is what the margin is for.
    assert np.abs(samples(stereo.path)).max() < 1
    # What is not mixed is not touched.
    assert multi.gain == 0
    assert level(samples(multi.path)[0]) == pytest.approx(0.9, abs=0.02)


def test_a_mix_within_full_scale_is_not_turned_down(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", surround(*[tone(0.4)] * 6))
    stereo, _ = title(path).encode(tmp_path)
    assert stereo.gain == 0
    assert level(samples(stereo.path)[0]) == pytest.approx(0.4 * (1 + 2 * MINUS_3_DB), abs=0.02)


def test_channels_of_unknown_meaning(tmp_path: Path) -> None:
    levels = [tone(0.1), tone(0.2), tone(0.3), tone(0.3)]
    made = title(with_sound(tmp_path / "a.mkv", surround(*levels, layout="quad")))
    unknown = replace(made.master.audio[0], layout="4 channels")
    said: list[str] = []
    (stereo,) = encode_audio(
        locate(),
        replace(made.master, audio=(unknown,)),
        made.conform,
        made.duration,
        AudioPolicy(),
        tmp_path,
        on_warning=said.append,
    )
    assert [level(c) for c in samples(stereo.path)] == pytest.approx([0.1, 0.2], abs=0.005)
    assert len(said) == 1
    assert "4 channels of unknown meaning" in said[0]


# As loud as asked


def stereo_sine(amplitude: float) -> str:
    return surround(tone(amplitude), tone(amplitude), layout="stereo")


def test_loudness_is_the_ebus(tmp_path: Path) -> None:
    # EBU Tech 3341, test 1: a stereo sine of 1 kHz peaking at -23 dBFS has -23 LUFS.
    path = with_sound(tmp_path / "a.mkv", stereo_sine(10 ** (-23 / 20)))
    (rendition,) = title(path).encode(tmp_path)
    assert rendition.loudness.integrated == pytest.approx(-23, abs=0.1)
    assert rendition.loudness.true_peak == pytest.approx(-23, abs=0.1)
    assert rendition.loudness.range == pytest.approx(0, abs=0.1)
    assert rendition.gain == 0


@pytest.mark.parametrize("source", [-40, -23, -10])
def test_loudness_reaches_the_target(tmp_path: Path, source: float) -> None:
    path = with_sound(tmp_path / "a.mkv", stereo_sine(10 ** (source / 20)))
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=-16))
    assert rendition.loudness.integrated == pytest.approx(source, abs=0.1)
    assert rendition.gain == pytest.approx(-16 - source, abs=0.1)
    heard = 20 * math.log10(level(samples(rendition.path)[0]))
    assert heard == pytest.approx(-16, abs=0.5)


def test_the_true_peak_limits_the_gain(tmp_path: Path) -> None:
    # Quiet but for one burst: the target would take it far over full scale.
    burst = "(0.01+0.69*between(t,3,3.02))*sin(2*PI*997*t)"
    path = with_sound(tmp_path / "a.mkv", surround(burst, burst, layout="stereo"))
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=-8, true_peak=-2))
    assert rendition.loudness.true_peak is not None
    assert rendition.gain == pytest.approx(-2 - rendition.loudness.true_peak, abs=0.02)
    assert rendition.loudness.integrated is not None
    assert rendition.loudness.integrated + rendition.gain < -9
    assert 20 * math.log10(np.abs(samples(rendition.path)).max()) < -1


@pytest.mark.parametrize("loudness", [None, -16.0])
def test_silence_has_no_loudness(tmp_path: Path, loudness: float | None) -> None:
    path = with_sound(tmp_path / "a.mkv", "anullsrc=r=48000:cl=stereo,atrim=duration=4")
    (rendition,) = title(path).encode(tmp_path, AudioPolicy(loudness=loudness))
    assert rendition.loudness.integrated is None
    assert rendition.loudness.range is None
    assert rendition.loudness.true_peak is None
    assert rendition.gain == 0
    assert not samples(rendition.path).any()


def test_a_master_of_one_frame(tmp_path: Path) -> None:
    made = title(with_sound(tmp_path / "a.mkv", SINE))
    (rendition,) = encode_audio(
        locate(), made.master, made.conform, Fraction(1, 24), AudioPolicy(), tmp_path
    )
    assert rendition.loudness.integrated is None
    assert samples(rendition.path).shape[1] == 2048


# Every track, under a name of its own


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


# In other codecs than AAC


def test_surround_in_every_codec_and_opus_begin_with_the_pictures(tmp_path: Path) -> None:
    # A step at one second, in all channels but the one for low frequencies.
    step = "0.3*gte(t,1)*sin(2*PI*997*t)"
    source = surround(step, step, step, "0", step, step)
    path = with_sound(tmp_path / "a.mkv", source, SINE)
    policy = AudioPolicy(surround_codecs=("aac", "ac3", "eac3"), opus_bitrate=96_000)
    made = title(path).encode(tmp_path, policy)
    assert [(one.codec, one.channels, one.source) for one in made] == [
        ("aac", 2, 1),
        ("aac", 6, 1),
        ("ac3", 6, 1),
        ("eac3", 6, 1),
        ("opus", 2, 1),
        ("aac", 2, 2),
        # Stereo, so that the groups of these codecs have all that there is to hear.
        ("ac3", 2, 2),
        ("eac3", 2, 2),
        ("opus", 2, 2),
    ]
    assert len({one.name for one in made}) == len(made)
    for one in made[:5]:
        sound = samples(one.path)
        assert sound.shape[0] == one.channels
        assert onset(sound) == pytest.approx(1, abs=0.008)
        assert sound.shape[1] >= 4 * RATE


# HE-AAC. The FFmpeg that comes with the install has no encoder for it: what one made lies here.

HE_AAC = Path(__file__).parents[1] / "package" / "data" / "he-aac.mp4"


def lister(folder: Path, *, honest: bool) -> Ffmpeg:
    """An FFmpeg that lists ``libfdk_aac``, writes down what it is called with, and gives what
    that encoder made of a beep; or plain AAC, where it is not honest."""
    real = locate()
    path = folder / "ffmpeg"
    path.write_text(f"""#!{sys.executable}
import pathlib, shutil, subprocess, sys
given = sys.argv[1:]
here = pathlib.Path({str(folder)!r})
done = given
if "libfdk_aac" in given:
    (here / "argv").write_text("\\n".join(given))
    at = given.index("-profile:a")
    done = ["aac" if one == "libfdk_aac" else one for one in given[:at] + given[at + 2 :]]
code = subprocess.run([{str(real.path)!r}, *done]).returncode
if "-encoders" in given:
    print(" A....D libfdk_aac           Fraunhofer FDK AAC (codec aac)")
for one in given:
    if {honest} and one.endswith("-he-aac.mp4"):
        shutil.copy({str(HE_AAC)!r}, one.removeprefix("file:"))
sys.exit(code)
""")
    path.chmod(0o700)
    return Ffmpeg(path, real.version, "this test", real.build)


def test_he_aac_is_made_where_there_is_an_encoder(tmp_path: Path) -> None:
    assert he_aac_encoder(capabilities(locate())) is None
    program = lister(tmp_path, honest=True)
    found = he_aac_encoder(capabilities(program))
    assert found == "libfdk_aac"
    path = with_sound(tmp_path / "a.mkv", BEEP)
    made = title(path)
    given = program, made.master, made.conform, made.duration
    plain, sparing = encode_audio(*given, AudioPolicy(), tmp_path, he_aac=found)
    assert (plain.codec, sparing.codec) == ("aac", "he-aac")
    assert sparing.id == f"{plain.id}-he-aac"
    assert (sparing.channels, sparing.sample_rate, sparing.default) == (2, 48_000, True)
    # What the encoder puts before the first sample is left out, SBR's delay with it.
    assert onset(samples(sparing.path)) == pytest.approx(FLASH, abs=0.005)
    argv = (tmp_path / "argv").read_text().splitlines()
    sets = list(pairwise(argv))
    assert {("-c:a", "libfdk_aac"), ("-b:a", "48000"), ("-profile:a", "4")} <= set(sets)
    assert sets.count(("-profile:a", "4")) == 1
    (folder := tmp_path / "none").mkdir()
    for policy in (AudioPolicy(he_aac=False), AudioPolicy(stereo_bitrate=48_000)):
        (only,) = encode_audio(*given, policy, folder, he_aac=found)
        assert only.codec == "aac"


def test_the_store_knows_with_which_encoders_sound_was_made(tmp_path: Path) -> None:
    """Even where another program calls itself the same version."""
    path = with_sound(tmp_path / "a.mkv", BEEP)
    store, policy = Store(tmp_path / "store"), load_policy("per-title")
    made = []
    told: list[Event] = []
    for program in (locate(), lister(tmp_path, honest=True), locate()):
        steps = Pipeline(program, store, told.append)
        master = steps.master(path)
        conform, analysis = steps.reference(master, policy)
        made.append([one.codec for one in steps._audio(master, conform, analysis, policy.audio)])
    assert made == [["aac"], ["aac", "he-aac"], ["aac"]]
    done = [one for one in told if isinstance(one, StageFinished) and one.stage == "audio"]
    assert [one.cached for one in done] == [False, False, True]


def test_an_encoder_that_makes_no_he_aac_is_told(tmp_path: Path) -> None:
    program = lister(tmp_path, honest=False)
    made = title(with_sound(tmp_path / "a.mkv", BEEP))
    given = program, made.master, made.conform, made.duration, AudioPolicy(), tmp_path
    with pytest.raises(EncodeError, match="not as planned") as told:
        encode_audio(*given, he_aac="libfdk_aac")
    assert "libfdk_aac made LC of it, not HE-AAC" in told.value.why
    assert not list(tmp_path.glob("*.mp4"))


def test_the_best_known_encoder_of_he_aac_is_chosen() -> None:
    def chosen(*encoders: str) -> str | None:
        return he_aac_encoder(Capabilities(frozenset(encoders), frozenset(), frozenset(), True))

    assert chosen("aac", "aac_at", "libfdk_aac") == "libfdk_aac"
    assert chosen("aac", "aac_at") == "aac_at"
    assert chosen("aac", "libopus") is None
