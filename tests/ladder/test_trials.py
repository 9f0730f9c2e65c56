"""Trials measure what they say they do."""

from __future__ import annotations

from pathlib import Path

from encoder.codecs import codec_named
from encoder.ffmpeg.locate import locate
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode, TrialSettings, extract_sample, run_trials
from encoder.media.frames import FrameRange
from tests.encode.titles import describe, generate

SETTINGS = TrialSettings(
    preset="medium", gop_frames=50, vmaf_model="vmaf_v0.6.1", every=3, threads=2, jobs=2
)
WINDOWS = (Window(FrameRange(5, 18), 0), Window(FrameRange(40, 53), 1))


def test_a_window_is_encoded_as_if_it_were_alone(tmp_path: Path) -> None:
    source = "testsrc2=s=320x180:r=25:d=3,noise=alls=9:allf=t:all_seed=7,format=yuv420p"
    path = generate(tmp_path / "m.mp4", source, "-c:v", "libx264", "-qp", "8")
    title, _ = describe(path, tmp_path)
    sample = extract_sample(locate(), title.master, title.conform, WINDOWS, tmp_path)
    codec = codec_named("h264")

    def trials(name: str, *encodes: Encode) -> dict[tuple[int, float], tuple[int, int, float]]:
        folder = tmp_path / name
        folder.mkdir()
        made = run_trials(
            locate(), sample, title.conform, WINDOWS, codec, encodes, SETTINGS, folder
        )
        assert [t.frames for t in made] == [13] * len(encodes)
        return {(t.shot, t.crf): (t.key_bits, t.other_bits, t.vmaf) for t in made}

    # The second follows one of far better quality, whose quantizers x264 would go on with.
    together = trials("together", Encode(192, 108, 0, 18.0), Encode(192, 108, 1, 40.0))
    alone = {
        **trials("first", Encode(192, 108, 0, 18.0)),
        **trials("second", Encode(192, 108, 1, 40.0)),
    }
    assert together == alone
    better = trials("better", Encode(192, 108, 1, 18.0))
    assert better[1, 18.0][0] > 2 * alone[1, 40.0][0]
    assert better[1, 18.0][2] > alone[1, 40.0][2]
