"""Files against files: right numbers, and refusals for the right reason."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.cli import main
from encoder.engine.pipeline import Pipeline
from encoder.engine.sheets import STDIN, ScoreJob, score
from encoder.engine.store import Store
from encoder.errors import MachineError, MeasureError, RecordError, UsageError
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.ladder.policy import load_policy
from encoder.media.pairs import ScoreSheet
from encoder.report.plain import json_text
from encoder.report.score_sheet import sheet_document, write_csv, write_parquet, write_plot
from encoder.score.metrics import parse_metrics
from tests.cli.documented import strict, wrong_in

from .scenes import planes

FRAMES = 40
# Moving detail, of which no two frames are alike.
SOURCE = "testsrc2=s=480x216:r=24,crop=320:180:x='4*n':y='mod(3*n,36)',format=yuv420p"
TAGS = "setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
SKIMAGE: Any = import_module("skimage.metrics")


class Room:
    """A folder with a reference, and a way to score files against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipeline = Pipeline(locate(), Store(folder / "store"), lambda _: None)
        self.reference = self.make("reference.mkv", "-f", "lavfi", "-i", SOURCE, lossless=True)

    def make(self, name: str, *source: str, vf: str = "null", lossless: bool = False) -> Path:
        codec = ["-qp", "0"] if lossless else ["-crf", "30"]
        options = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", *codec]
        given = source or ("-i", self.reference.name)
        limit = ["-frames:v", str(FRAMES)] if source else []
        filters = ["-vf", f"{vf},{TAGS}", "-fps_mode", "passthrough"]
        run(locate(), [*given, *limit, *filters, *options, name], folder=self.folder)
        return self.folder / name

    def score(
        self, *targets: Path, reference: Path | None = None, metrics: str = "psnr_y", **more: Any
    ) -> ScoreSheet:
        stdin = more.pop("stdin", io.BytesIO())
        job = ScoreJob(
            reference or self.reference,
            targets,
            parse_metrics((metrics,)),
            load_policy("per-title"),
            **more,
        )
        return score(self.pipeline, job, stdin)[0]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def encoded(room: Room) -> Path:
    return room.make("encoded.mp4")


def test_all_metrics_in_one_pass_are_those_of_the_references(room: Room, encoded: Path) -> None:
    wanted = "vmaf,neg,psnr,ssim,ms-ssim,xpsnr,cambi"
    sheet = room.score(encoded, metrics=wanted, sampled=True)
    values = sheet.values["encoded"]
    assert set(values) == {"frame", *(m.metric for m in sheet.pairs[0].metrics)}
    assert len(sheet.pairs[0].metrics) == 12
    for index, (a, b) in enumerate(zip(planes(room.reference), planes(encoded), strict=True)):
        for name, ours, theirs in zip(("psnr_y", "psnr_u", "psnr_v"), a, b, strict=True):
            expected = SKIMAGE.peak_signal_noise_ratio(ours, theirs, data_range=255)
            assert values[name][index] == pytest.approx(expected, abs=0.001)
    weighted = (6 * values["psnr_y"] + values["psnr_u"] + values["psnr_v"]) / 8
    assert values["psnr_weighted"] == pytest.approx(weighted)
    sampled = dict(sheet.pairs[0].sampled)
    assert sheet.pairs[0].sampled_frames == 8
    assert sampled["skimage_psnr_y"] == pytest.approx(values["psnr_y"][::5].mean(), abs=0.001)
    assert sampled["skimage_ssim"] == pytest.approx(values["ssim"][::5].mean(), abs=0.02)
    vmaf, neg = sheet.pairs[0].metric("vmaf"), sheet.pairs[0].metric("vmaf_neg")
    assert vmaf.pools is not None
    assert neg.pools is not None
    assert vmaf.pools.mean >= neg.pools.mean - 0.01
    assert vmaf.pools.p1 <= vmaf.pools.p50 <= vmaf.pools.p99
    assert values["vmaf"][vmaf.pools.worst_frame] == vmaf.pools.worst == vmaf.pools.min
    cambi = sheet.pairs[0].metric("cambi").pools
    assert cambi is not None
    assert cambi.worst == cambi.max


def test_scores_are_those_of_ffmpeg_quality_metrics(room: Room, encoded: Path) -> None:
    library: Any = pytest.importorskip("ffmpeg_quality_metrics")
    program = str(locate().path)
    # It pairs frames by time, so both go into one container: MP4's clock is not Matroska's.
    other = room.make("encoded.mkv")
    theirs = library.FfmpegQualityMetrics(str(room.reference), str(other), ffmpeg_path=program)
    found = theirs.calculate(metrics=["vmaf", "psnr", "ssim"])
    ours = room.score(other, metrics="vmaf,psnr,ssim").values["encoded"]
    for metric, name, key in (
        ("vmaf", "vmaf", "vmaf"),
        ("psnr", "psnr_y", "psnr_y"),
        ("psnr", "psnr_u", "psnr_u"),
        ("ssim", "ssim", "ssim_y"),
    ):
        expected = [float(frame[key]) for frame in found[metric]]
        assert ours[name] == pytest.approx(expected, abs=0.01)


MODELS = {
    "vmaf": "vmaf_v0.6.1",
    "neg": "vmaf_v0.6.1neg",
    "4k": "vmaf_4k_v0.6.1",
    "vmaf_v1": "vmaf_v1.0.16_3d0h",
    "vmaf_v1.0.16_1d5h_2160": "vmaf_v1.0.16_1d5h_2160",
    "vmaf_v1.0.16_hfr_3d0h": "vmaf_v1.0.16_hfr_3d0h",
}


def test_every_model_is_that_of_its_name_wherever_it_is_told(
    room: Room, encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """The values are those of FFmpeg with that model alone."""
    expected = {}
    for model in MODELS.values():
        graph = "[0:v]settb=1/24,setpts=N[a];[1:v]settb=1/24,setpts=N[b];[a][b]libvmaf="
        graph += f"model=version={model}:log_fmt=csv:log_path={model}.csv"
        inputs = ["-i", encoded.name, "-i", room.reference.name]
        run(locate(), [*inputs, "-lavfi", graph, "-f", "null", "-"], folder=room.folder)
        with (room.folder / f"{model}.csv").open(encoding="utf-8") as file:
            expected[model] = [float(row["vmaf"]) for row in csv.DictReader(file)]
    assert len({tuple(one) for one in expected.values()}) == len(MODELS)
    monkeypatch.setenv("ENCODER_CACHE", str(room.folder / "store"))
    wanted = ["-m", ",".join(MODELS), "--per-frame", "--csv", str(tmp_path / "a.csv"), "-q"]
    arguments = ["score", str(room.reference), str(encoded), *wanted]
    assert main.run([*arguments, "--json"]) == 0
    found = {m["model"]: m for m in strict(capsys.readouterr().out)["files"][0]["metrics"]}
    assert list(found) == list(MODELS.values())
    for model, values in expected.items():
        assert found[model]["values"] == pytest.approx(values, abs=1e-5)
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for pair in rows[0]["models"].split():
        name, _, model = pair.partition("=")
        assert [float(row[name]) for row in rows] == pytest.approx(expected[model], abs=1e-5)
    # A name that is too long for its column is not cut.
    assert main.run(arguments) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {words[2] for words in lines if len(words) > 3}
    assert {"vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_4k_v0.6.1"} <= shown


def test_no_model_of_vmaf_says_anything_of_hdr(room: Room) -> None:
    reference = hdr(room, "models.mkv", "smpte2084")
    pair = room.score(reference, reference=reference, metrics=",".join([*MODELS, "psnr_y"])).pairs[
        0
    ]
    for one in pair.metrics:
        assert (one.pools is None) == (one.unit == "VMAF")
        assert ("SDR" in one.why_not) == (one.unit == "VMAF")


@pytest.mark.parametrize(
    ("size", "metric", "applies"),
    [
        ((64, 64), "vmaf", True),
        ((214, 214), "cambi", False),
        ((216, 64), "cambi", True),
        ((320, 158), "vmaf_v1", False),
        ((320, 160), "vmaf_v1", True),
        ((210, 210), "vmaf_v1", False),
        ((480, 264), "vmaf_v1.0.16_5d0h", False),
        ((480, 266), "vmaf_v1.0.16_hfr_5d0h", True),
        ((480, 316), "vmaf_v1.0.16_3d0h_2160", False),
        ((480, 318), "vmaf_v1.0.16_3d0h_2160", True),
        ((160, 480), "vmaf_v1.0.16_1d5h_2160", True),
    ],
)
def test_what_is_too_small_for_a_model_is_told(
    room: Room, size: tuple[int, int], metric: str, applies: bool
) -> None:
    """With less, libvmaf fails or crashes."""
    width, height = size
    made = room.make("small.mkv", vf=f"trim=end_frame=3,scale={width}:{height}", lossless=True)
    for one in room.score(made, reference=made, metrics=f"{metric},psnr_y").pairs[0].metrics[:1]:
        assert (one.pools is not None) == applies
        assert ("needs pictures of at least" in one.why_not) != applies


def test_the_same_file_is_perfect_and_its_json_is_strict(room: Room) -> None:
    sheet = room.score(room.reference, metrics="psnr,ssim,xpsnr")
    document = strict(json_text(sheet_document(sheet, per_frame=True)))
    metrics = {one["metric"]: one for one in document["files"][0]["metrics"]}
    assert metrics["psnr_y"]["perfect_frames"] == FRAMES
    assert metrics["psnr_y"]["pooled"]["mean"] == 100
    assert metrics["ssim"]["pooled"]["min"] == 1
    assert metrics["psnr_y"]["values"] == [100.0] * FRAMES
    assert wrong_in(document) == []


def test_tables_and_plot_hold_every_frame(room: Room, encoded: Path, tmp_path: Path) -> None:
    sheet = room.score(encoded, metrics="psnr_y,ssim", every=2)
    write_csv(sheet, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(0, FRAMES, 2))
    found = [float(row["psnr_y"]) for row in rows]
    assert found == pytest.approx(sheet.values["encoded"]["psnr_y"].tolist(), abs=1e-6)
    assert {row["models"] for row in rows} == {"psnr_y=mse ssim=ffmpeg-8x8-luma"}
    assert float(rows[1]["time"]) == pytest.approx(2 / 24, abs=1e-6)
    write_plot(sheet, tmp_path / "a.png")
    write_plot(sheet, tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "seconds" in (tmp_path / "a.svg").read_text("utf-8")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(sheet, tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert table["frame"] == [int(row["frame"]) for row in rows]
    assert table["ssim"] == sheet.values["encoded"]["ssim"].tolist()
    assert table["models"] == [row["models"] for row in rows]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_what_cannot_be_written_stays_as_it_is(
    room: Room, encoded: Path, tmp_path: Path, write: Callable[[ScoreSheet, Path], None]
) -> None:
    pytest.importorskip("pyarrow")
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(MachineError, match="cannot be written"):
        write(room.score(encoded), link)
    assert link.is_symlink()


def test_worst_frames_are_drawn_beside_the_reference(
    room: Room, encoded: Path, tmp_path: Path
) -> None:
    job = ScoreJob(
        room.reference,
        (encoded,),
        parse_metrics(("psnr_y",)),
        load_policy("per-title"),
        worst=2,
        pictures=tmp_path / "worst",
    )
    sheet, evidence = score(room.pipeline, job, io.BytesIO())
    pools = sheet.pairs[0].metric("psnr_y").pools
    assert pools is not None
    assert evidence[0].frame == pools.worst_frame
    assert abs(evidence[1].frame - evidence[0].frame) >= 12
    picture = import_module("skimage.io").imread(evidence[0].path)
    assert picture.shape[:2] == (180, 3 * 320)
    assert sorted(p.name for p in (tmp_path / "worst").iterdir()) == sorted(
        e.path.name for e in evidence
    )


def test_y4m_on_standard_input_scores_the_same(room: Room, encoded: Path) -> None:
    run(locate(), ["-i", encoded.name, "-f", "yuv4mpegpipe", "encoded.y4m"], folder=room.folder)
    data = (room.folder / "encoded.y4m").read_bytes()
    piped = room.score(STDIN, stdin=io.BytesIO(data)).values["standard input"]["psnr_y"]
    assert piped.tolist() == room.score(encoded).values["encoded"]["psnr_y"].tolist()
    with pytest.raises(RecordError, match="not a Y4M video"):
        room.score(STDIN, stdin=io.BytesIO(b"nonsense\n"))
    with pytest.raises(UsageError, match="standard input"):
        room.score(STDIN, reference=STDIN)


def keep(expression: str) -> str:
    return f"select={expression},setpts=N/(24*TB)"


REPEATED = "loop=loop=1:size=1:start=20,setpts=N/(24*TB)"


# Frame 20 was dropped, and the one before it fills its place.
FROZEN = (
    "split[a][b];[a]select=not(eq(n\\,20)),setpts=if(gte(N\\,20)\\,N+1\\,N)/(24*TB)[c];"
    "[b]select=eq(n\\,19),setpts=20/(24*TB)[d];[c][d]interleave"
)


@pytest.mark.parametrize(
    ("vf", "said"),
    [
        (keep("gte(n\\,1)"), "off by 1 frame: its frame 0 shows the reference's frame 1"),
        (keep("gte(n\\,17)"), "off by 17 frames"),
        (keep("lt(n\\,37)"), "The reference has 40 frames, the file 37"),
        (keep("not(eq(n\\,20))"), "The reference's frame 20 is missing"),
        (REPEATED, "is repeated or inserted"),
        ("telecine=pattern=23", "telecine"),
        ("fps=48", "2 pictures|every second picture"),
        ("crop=320:126", "as after a crop"),
        ("setsar=4/3", r"320x180 \(pixel aspect 1:1\) and 320x180 \(pixel aspect 4:3\)"),
        ("transpose=1", "on its side"),
        ("scale=640:360", "larger than the reference"),
        ("hflip", "it is mirrored"),
        ("crop=314:176,scale=320:180", "another framing: .*zoomed"),
        ("scale=out_range=full", "stretched to full range"),
        ("eq=gamma=1.2", "another transfer, tone mapping or grading"),
        ("scale=in_color_matrix=bt709:out_color_matrix=bt601", "of BT.709 and the file of BT.601"),
        ("scale=in_color_matrix=bt601:out_color_matrix=bt709", "of BT.601 and the file of BT.709"),
        ("swapuv", "planes of its chroma are swapped"),
        ("lutyuv=u=128:v=128", "lost the colours"),
        (FROZEN, "Frame 20 is not that of the reference but shows its frame 19"),
        (f"{REPEATED},trim=end_frame=40", "Frame 2[01] is repeated or inserted"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_cause(room: Room, vf: str, said: str) -> None:
    other = room.make("other.mp4", vf=vf)
    with pytest.raises(MeasureError, match=said) as caught:
        room.score(other)
    assert caught.value.exit_code == 6
    assert caught.value.hint


# The pictures of another rate, told to be of the reference's.
@pytest.mark.parametrize(
    ("vf", "said"),
    [
        ("telecine=pattern=23", "5 pictures for every 4 of"),
        ("telecine=pattern=2332", "5 pictures for every 4 of"),
        ("telecine=pattern=46", "5 pictures for every 2 of"),
        ("telecine=pattern=55", "5 pictures for every 2 of"),
        ("fps=48", "2 pictures for each of"),
        ("fps=36", "3 pictures for every 2 of"),
        ("fps=12", "1 picture for every 2 of"),
    ],
)
def test_another_rate_is_told_by_its_pictures(room: Room, vf: str, said: str) -> None:
    other = room.make("rate.mp4", vf=f"{vf},setfield=prog,settb=1/24,setpts=N,fps=24")
    for automatic in (False, True):
        with pytest.raises(MeasureError, match=said):
            room.score(other, automatic=automatic)


@pytest.mark.parametrize(
    ("vf", "said"),
    [
        ("fps=25", "25 pictures for every 24, or the same ones at another speed"),
        ("fps=60", "5 pictures for every 2, or"),
        ("fps=25.3", "frame rates differ: 24 fps and 25.3 fps$"),
    ],
)
def test_another_rate_is_told_by_the_header(room: Room, vf: str, said: str) -> None:
    other = room.make("header.mp4", vf=vf)
    with pytest.raises(MeasureError) as caught:
        room.score(other)
    assert re.search(said, caught.value.why)


@pytest.mark.parametrize(
    ("vf", "window"),
    [
        (keep("gte(n\\,3)"), (3, 0, 37)),
        ("tpad=start=2,setpts=N/(24*TB)", (0, 2, 40)),
        ("tpad=start=20:color=black,setpts=N/(24*TB)", (0, 20, 40)),
        (keep("between(n\\,14\\,33)"), (14, 0, 20)),
        (keep("lt(n\\,30)"), (0, 0, 30)),
        ("fps=48", (0, 0, 40)),
        ("select=not(mod(n\\,2)),setpts=N/(12*TB),fps=12", (0, 0, 20)),
        ("crop=320:126", (0, 0, 40)),
    ],
)
def test_what_can_be_mended_exactly_is_mended_on_request(
    room: Room, vf: str, window: tuple[int, int, int]
) -> None:
    other = room.make("mended.mkv", vf=vf, lossless=True)
    pair = room.score(other, automatic=True).pairs[0]
    assert (pair.reference_start, pair.distorted_start, pair.frames) == window
    assert pair.metric("psnr_y").perfect == pair.frames
    assert pair.notes


def test_half_the_rate_is_scored_at_its_frames_of_the_reference(room: Room, tmp_path: Path) -> None:
    half = "select=not(mod(n\\,2)),setpts=N/(12*TB),fps=12"
    other = room.make("half.mp4", vf=half)
    pictures = tmp_path / "worst"
    sheet = room.score(other, automatic=True, worst=1, pictures=pictures)
    assert sheet.values["half"]["frame"].tolist() == list(range(0, FRAMES, 2))
    assert (sheet.frames, sheet.shots[-1].end) == (FRAMES, FRAMES)
    pools = sheet.pairs[0].metric("psnr_y").pools
    assert pools is not None
    (picture,) = pictures.iterdir()
    assert picture.name == f"half-{pools.worst_frame:06d}.png"


def test_a_crop_that_is_not_around_the_centre_is_told(room: Room) -> None:
    source = "mandelbrot=s=320x180:r=24,format=yuv420p"
    reference = room.make("zoom.mkv", "-f", "lavfi", "-i", source, lossless=True)
    other = room.make("top.mp4", "-i", reference.name, vf="crop=320:126:0:0")
    with pytest.raises(MeasureError, match="cropped elsewhere"):
        room.score(other, reference=reference, automatic=True)


def test_a_start_later_in_the_file_is_told_and_does_not_matter(room: Room, encoded: Path) -> None:
    run(
        locate(),
        ["-itsoffset", "0.5", "-i", encoded.name, "-c", "copy", "late.mkv"],
        folder=room.folder,
    )
    pair = room.score(room.folder / "late.mkv").pairs[0]
    assert pair.frames == FRAMES
    assert any("0.500 s later" in note for note in pair.notes)


@pytest.mark.parametrize("crf", [35, 51])
def test_the_worst_encodes_are_not_taken_for_anything_else(room: Room, crf: int) -> None:
    options = ["-i", "reference.mkv", "-vf", f"scale=80:-2,{TAGS}", "-c:v", "libx264"]
    run(locate(), [*options, "-crf", str(crf), "worst.mp4"], folder=room.folder)
    assert room.score(room.folder / "worst.mp4").pairs[0].frames == FRAMES


def test_a_hole_in_the_middle_is_not_aligned_away(room: Room) -> None:
    other = room.make("hole.mp4", vf=keep("not(eq(n\\,20))"))
    with pytest.raises(MeasureError, match="frame 20 is missing"):
        room.score(other, automatic=True)


def test_a_smaller_rendition_is_scaled_and_said_to_be(room: Room) -> None:
    small = room.make("small.mp4", vf="scale=160:90")
    pair = room.score(small).pairs[0]
    assert (pair.width, pair.height) == (320, 180)
    assert pair.notes == ("scaled up from 160x90 to 320x180 (bicubic), as a player shows it",)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("setparams=range=full", "ranges differ"),
        ("setparams=colorspace=bt470bg", "matrices differ"),
        ("setparams=color_primaries=bt2020", "primaries differ"),
        ("setparams=color_trc=smpte2084", "transfers differ"),
    ],
)
def test_other_colour_is_refused(room: Room, tags: str, said: str) -> None:
    options = ["-c:v", "libx264", "-crf", "30", "-vf", f"{TAGS},{tags}"]
    run(locate(), ["-i", "reference.mkv", *options, "colour.mkv"], folder=room.folder)
    with pytest.raises(MeasureError, match=said):
        room.score(room.folder / "colour.mkv")


def hdr(room: Room, name: str, transfer: str) -> Path:
    tags = "setparams=range=limited:colorspace=bt2020nc:color_primaries=bt2020"
    options = ["-vf", f"format=yuv420p10le,{tags}:color_trc={transfer}", "-c:v", "ffv1"]
    run(locate(), ["-i", "reference.mkv", *options, name], folder=room.folder)
    return room.folder / name


def test_hdr_is_compared_at_ten_bits_and_vmaf_does_not_apply(room: Room) -> None:
    reference = hdr(room, "pq.mkv", "smpte2084")
    # One code value off everywhere: an error of 1 against the peak of 1023.
    shifted = "lut=y=val+1"
    tags = "setparams=range=limited:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    run(
        locate(),
        ["-i", "pq.mkv", "-vf", f"{shifted},{tags}", "-c:v", "ffv1", "off.mkv"],
        folder=room.folder,
    )
    sheet = room.score(room.folder / "off.mkv", reference=reference, metrics="vmaf,psnr_y,cambi")
    pair = sheet.pairs[0]
    assert pair.pixel_format == "yuv420p10le"
    found = pair.metric("psnr_y").pools
    assert found is not None
    assert found.mean == pytest.approx(20 * np.log10(1023), abs=0.01)
    assert pair.metric("vmaf").pools is None
    assert "SDR" in pair.metric("vmaf").why_not
    assert pair.metric("cambi").pools is not None
    assert wrong_in(sheet_document(sheet)) == []
    with pytest.raises(MeasureError, match="No metric"):
        room.score(room.folder / "off.mkv", reference=reference, metrics="vmaf")
    hlg = hdr(room, "hlg.mkv", "arib-std-b67")
    with pytest.raises(MeasureError, match="transfers differ: PQ and HLG"):
        room.score(hlg, reference=reference)


@pytest.mark.parametrize(("width", "applies"), [(320, True), (300, False)])
def test_xpsnr_of_ten_bits_is_near_psnr_or_not_given(room: Room, width: int, applies: bool) -> None:
    deep = f"scale={width}:180,format=yuv420p10le,{TAGS}"
    for name, vf in (("deep_a.mkv", deep), ("deep_b.mkv", f"noise=alls=12:all_seed=1,{deep}")):
        options = ["-vf", vf, "-fps_mode", "passthrough", "-c:v", "ffv1"]
        run(locate(), ["-i", "reference.mkv", *options, name], folder=room.folder)
    other = room.folder / "deep_b.mkv"
    pair = room.score(other, reference=room.folder / "deep_a.mkv", metrics="psnr_y,xpsnr_y").pairs[
        0
    ]
    psnr, xpsnr = pair.metric("psnr_y").pools, pair.metric("xpsnr_y").pools
    assert psnr is not None
    assert (xpsnr is not None) == applies
    if xpsnr is not None:
        assert abs(xpsnr.mean - psnr.mean) < 8
    else:
        assert "multiple of 32" in pair.metric("xpsnr_y").why_not


def damage(path: Path, folder: Path) -> Path:
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data) * 2 // 3, 101):
        data[place] ^= 0x55
    made = folder / f"damaged{path.suffix}"
    made.write_bytes(data)
    return made


def nothing(path: Path, folder: Path) -> Path:
    made = folder / "sound.mkv"
    run(locate(), ["-f", "lavfi", "-i", "sine=d=1", made.name], folder=folder)
    return made


def other_title(path: Path, folder: Path) -> Path:
    made = folder / "title.mp4"
    source = "mandelbrot=s=320x180:r=24,format=yuv420p"
    options = ["-frames:v", str(FRAMES), "-vf", TAGS, "-c:v", "libx264"]
    run(locate(), ["-f", "lavfi", "-i", source, *options, made.name], folder=folder)
    return made


def text(path: Path, folder: Path) -> Path:
    made = folder / "text.mp4"
    made.write_text("not a film\n" * 50)
    return made


def one_frame(path: Path, folder: Path) -> Path:
    made = folder / "one.mp4"
    run(locate(), ["-i", str(path), "-frames:v", "1", made.name], folder=folder)
    return made


def fewer(path: Path, folder: Path) -> Path:
    made = folder / "fewer.mp4"
    run(locate(), ["-i", str(path), "-frames:v", "30", made.name], folder=folder)
    return made


@pytest.mark.parametrize("spoil", [damage, nothing, other_title, text, one_frame, fewer])
@pytest.mark.parametrize("side", ["reference", "distorted"])
def test_bad_input_is_refused_and_nothing_written(
    room: Room,
    encoded: Path,
    tmp_path: Path,
    spoil: Callable[[Path, Path], Path],
    side: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = spoil(encoded, tmp_path)
    files = [room.reference, bad] if side == "distorted" else [bad, encoded]
    monkeypatch.setenv("ENCODER_CACHE", str(room.folder / "store"))
    written = tmp_path / "written"
    written.mkdir()
    monkeypatch.chdir(written)
    wanted = ["-o", "values", "--csv", "a.csv", "--plot", "a.svg", "--worst", "1", "--pictures"]
    code = main.run(["score", *map(str, files), "-m", "psnr_y", *wanted, "pictures", "-q"])
    assert code in (4, 6)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("encoder: ")
    assert said.err.count("\n") == 1
    assert list(written.iterdir()) == []


def folder_of_nothing(path: Path, folder: Path) -> Path:
    made = folder / "folder"
    made.mkdir()
    return made


def empty(path: Path, folder: Path) -> Path:
    made = folder / "empty.mp4"
    made.touch()
    return made


def missing(path: Path, folder: Path) -> Path:
    return folder / "missing.mp4"


def too_long(path: Path, folder: Path) -> Path:
    return folder / ("x" * 300)


def damaged_from_the_start(path: Path, folder: Path) -> Path:
    data = bytearray(path.read_bytes())
    for place in range(data.find(b"mdat") + 4, len(data), 7):
        data[place] ^= 0x5A
    made = folder / "bits.mp4"
    made.write_bytes(data)
    return made


@pytest.mark.parametrize(
    "spoil",
    [missing, too_long, empty, nothing, text, folder_of_nothing, damaged_from_the_start],
)
@pytest.mark.parametrize("side", ["reference", "distorted"])
def test_what_cannot_be_read_is_4_on_either_side(
    room: Room,
    encoded: Path,
    tmp_path: Path,
    spoil: Callable[[Path, Path], Path],
    side: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = spoil(encoded, tmp_path)
    files = [room.reference, bad] if side == "distorted" else [bad, encoded]
    monkeypatch.setenv("ENCODER_CACHE", str(room.folder / "store"))
    assert main.run(["score", *map(str, files), "-m", "psnr_y", "--json"]) == 4
    said = capsys.readouterr()
    assert bad.name in strict(said.out)["where"]
    assert bad.name in said.err
    assert "master" not in said.err


def listing(path: str) -> str:
    document = {
        "schema": "encoder.published/1",
        "fingerprint": "",
        "master_digest": "",
        "files": {},
    }
    return json.dumps({**document, "renditions": [{"id": "v", "path": path}]})


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (listing("video/gone.mp4"), "No such file or directory"),
        (listing("../encoded.mp4"), "lists what is not in it"),
        (listing("/etc/passwd"), "lists what is not in it"),
        (listing("a\0b"), "lists what is not in it"),
        (listing("v").replace('"path"', '"way"'), "Not a package"),
        (listing("v").replace("{}", '{"a": 1e999}'), "Not a package"),
        (listing("v").replace("published/1", "published/2"), "Not a package"),
        ("[" * 100_000, "Not a package"),
        ("\x00\xff", "Not a package"),
    ],
)
def test_a_package_that_is_none_cannot_be_read(
    room: Room, tmp_path: Path, manifest: str, said: str
) -> None:
    (tmp_path / "package.json").write_bytes(manifest.encode("latin-1"))
    with pytest.raises(RecordError, match=said) as caught:
        room.score(tmp_path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--plot"])
def test_no_file_that_is_scored_is_written_over(
    room: Room, encoded: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(room.folder / "store"))
    given = [tmp_path / "reference.png", tmp_path / "distorted.png"]
    for path, source in zip(given, (room.reference, encoded), strict=True):
        path.write_bytes(source.read_bytes())
    (tmp_path / "link.png").symlink_to(given[1])
    before = [path.read_bytes() for path in given]
    for output in (*given, tmp_path / "link.png"):
        assert main.run(["score", *map(str, given), "-q", option, str(output)]) == 2
    assert [path.read_bytes() for path in given] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("W0 H180 F24:1", "not positive"),
        ("W320 H180 F0:1", "not positive"),
        ("W320 H180 F24:1 A0:1", "not positive"),
        ("W320 H180 F0:0", "divides by zero"),
        ("W320 H180 F1e999999999", "no ratio"),
        ("W320 H180 F1e999999999:1", "no ratio"),
        ("W320 H180 F-24:1", "no ratio"),
        ("W320 H180", "it has no F"),
        ("H180 F24:1", "it has no W"),
        ("W320 H180 F24:1 C777", "chroma 777 is not known"),
    ],
)
def test_a_header_that_says_nothing_useful_is_refused(room: Room, words: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        room.score(STDIN, stdin=io.BytesIO(f"YUV4MPEG2 {words}\n".encode()))


def test_a_model_that_ffmpeg_lacks_is_refused(room: Room, encoded: Path) -> None:
    with pytest.raises(MeasureError, match=r"lacks a VMAF model: vmaf_v9\.9\. "):
        room.score(encoded, metrics="vmaf,neg,vmaf_v9.9")


@pytest.mark.parametrize(
    ("ours", "theirs"), [("trim=end_frame=1", "null"), ("null", "trim=end_frame=1"), ("", "")]
)
def test_one_frame_is_no_video(room: Room, ours: str, theirs: str) -> None:
    one = "trim=end_frame=1"
    reference = room.make("frames_a.mkv", vf=ours or one, lossless=True)
    other = room.make("frames_b.mkv", vf=theirs or one, lossless=True)
    for automatic in (False, True):
        with pytest.raises(MeasureError, match="A single frame is no video"):
            room.score(other, reference=reference, automatic=automatic)


@pytest.mark.parametrize("frames", [2, 5, 20])
def test_a_reference_that_is_much_shorter_is_told_by_its_frames(room: Room, frames: int) -> None:
    short = room.make("short.mkv", vf=f"trim=end_frame={frames}", lossless=True)
    other = room.make("long.mp4")
    with pytest.raises(MeasureError, match=f"The reference has {frames} frames, the file {FRAMES}"):
        room.score(other, reference=short)
    pair = room.score(other, reference=short, automatic=True).pairs[0]
    assert (pair.reference_start, pair.distorted_start, pair.frames) == (0, 0, frames)


def test_names_of_metrics() -> None:
    assert [m.name for m in parse_metrics(("psnr,vmaf", "vmaf"))] == [
        "psnr_y",
        "psnr_u",
        "psnr_v",
        "psnr_weighted",
        "vmaf",
    ]
    assert parse_metrics(("vmaf_v0.6.1neg",))[0].name == "vmaf_neg"
    with pytest.raises(UsageError, match="Did you mean xpsnr"):
        parse_metrics(("xpsn",))
