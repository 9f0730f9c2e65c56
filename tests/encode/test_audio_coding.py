"""Sound in each coding: surround, Opus, HE-AAC where there is an encoder of it."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from encoder.encode.audio import encode_audio
from encoder.encode.audio_graph import he_aac_encoder
from encoder.engine.events import Event, StageFinished
from encoder.engine.pipeline import Pipeline
from encoder.engine.store import Store
from encoder.errors import EncodeError
from encoder.ffmpeg.locate import Capabilities, Ffmpeg, capabilities, locate
from encoder.ladder.policy import load_policy
from encoder.media.policy import AudioPolicy

from .sounds import (
    BEEP,
    FLASH,
    RATE,
    SINE,
    onset,
    samples,
    surround,
    title,
    with_sound,
)


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
