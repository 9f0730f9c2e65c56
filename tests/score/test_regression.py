"""Gates: they fail for what is worse, and not for noise or for other conditions."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import etree

from encoder.cli.main import run
from encoder.engine.evidence import frame_finder
from encoder.engine.regression import measures, read_gates, read_runs, save_baseline
from encoder.errors import MeasureError, RecordError, UsageError
from encoder.media.regression import Check, Gate, RungMeasure, RunMeasure
from encoder.report.document import ingest_document
from encoder.report.plain import json_text
from encoder.report.regression import (
    baseline_document,
    junit_text,
    markdown_text,
    plain_text,
    regression_document,
)
from encoder.report.regression_page import FramePictures, Part, render_regression
from encoder.score.gates import DEFAULT_GATES, compare_clips, compare_runs
from tests.cli.documented import strict
from tests.report import factory

SCHEMA = Path(__file__).with_name("junit.xsd")
POINTS = ((4_000_000, 95.0, 44.0, 0.99), (2_000_000, 88.0, 41.0, 0.98), (900_000, 76.0, 37.0, 0.95))


def rung(name: str, rate: float, vmaf: float, psnr: float, ssim: float) -> RungMeasure:
    def pools(mean: float, spread: float) -> dict[str, float]:
        low = mean - spread
        return {"mean": mean, "harmonic_mean": mean, "p1": low, "p5": low, "min": low}

    return RungMeasure(
        name,
        {"average_bitrate": rate, "peak_bitrate": rate * 1.5, "bytes": rate * 2},
        {"vmaf": pools(vmaf, 4), "psnr_y": pools(psnr, 2), "ssim": pools(ssim, 0.01)},
        {"vmaf": (vmaf + 1, vmaf - 1), "psnr_y": (psnr, None), "ssim": (ssim, ssim)},
    )


def made(rate: float = 1.0, vmaf: float = 0.0, seconds: float = 10.0) -> RunMeasure:
    rungs = tuple(rung(f"v{i}", r * rate, v + vmaf, p, s) for i, (r, v, p, s) in enumerate(POINTS))
    return RunMeasure("clip.mov", "d1", {"ffmpeg": "9"}, (0, 24), seconds, rungs)


def failed(candidate: RunMeasure, gates: tuple[Gate, ...] = DEFAULT_GATES) -> set[str]:
    report = compare_runs(made(), candidate, gates)
    return {check.gate for check in report.checks if not check.passed}


def test_equal_runs_and_noise_pass() -> None:
    assert failed(made()) == set()
    assert failed(made(rate=1.004, vmaf=-0.05)) == set()
    assert failed(made(rate=0.8, vmaf=1.0, seconds=3)) == set()
    report = compare_runs(made(), made(vmaf=-0.05), DEFAULT_GATES)
    assert "no more than noise" in report.checks[0].message


def test_each_gate_fails_for_its_own_reason() -> None:
    assert {"vmaf.mean", "bd_rate_vmaf"} <= failed(made(vmaf=-0.8))
    assert "vmaf.p5" not in failed(made(vmaf=-0.8))
    assert {"average_bitrate", "bytes", "bd_rate_psnr_y", "bd_rate_ssim"} <= failed(made(rate=1.07))
    assert "peak_bitrate" not in failed(made(rate=1.07))
    assert failed(made(seconds=19)) == {"encode_time"}


def test_the_shot_that_lost_most_is_named() -> None:
    worse = made()
    first = worse.rungs[0]
    shots = {**first.shots, "vmaf": (96.0, 90.0)}
    candidate = replace(worse, rungs=(replace(first, shots=shots), *worse.rungs[1:]))
    report = compare_runs(made(), candidate, DEFAULT_GATES, lambda clip, metric, name, shot: 31)
    (check,) = [one for one in report.checks if not one.passed]
    assert (check.gate, check.rung, check.shot, check.frame) == ("vmaf.shot", "v0", 1, 31)
    assert "worst at shot 1 (from frame 24), frame 31" in check.message
    for text in (plain_text([report]), markdown_text([report]), junit_text([report])):
        assert "shot 1 (from frame 24), frame 31" in text


def shots_of(run: RunMeasure, *vmaf: float) -> RunMeasure:
    first = replace(run.rungs[0], shots={"vmaf": vmaf})
    return replace(run, rungs=(first, *run.rungs[1:]))


def test_gates_of_shots_look_at_each_of_them() -> None:
    before, after = shots_of(made(), 96.0, 61.0), shots_of(made(), 90.0, 58.0)

    def check(gate: Gate) -> Check:
        (found,) = compare_runs(before, after, (replace(gate, pooling="shot", rung="v0"),)).checks
        return found

    lost = check(Gate("vmaf", worse=2.0))
    assert (lost.passed, lost.shot) == (False, 0)
    assert lost.message.endswith("2 of 2 shots fail")
    # What lost most is not what is lowest.
    lowest = check(Gate("vmaf", least=60.0))
    assert (lowest.passed, lowest.shot, lowest.candidate) == (False, 1, 58.0)
    assert check(Gate("vmaf", worse=4.0)).shot == 0
    second = check(Gate("vmaf", worse=4.0, shot=1))
    assert (second.passed, second.shot, second.gate) == (True, 1, "vmaf.shot 1")
    assert not check(Gate("vmaf", worse=4.0, shot=7)).passed
    moved = compare_runs(before, replace(after, shots=(0, 25)), DEFAULT_GATES)
    assert {c.message for c in moved.checks if c.gate == "vmaf.shot"} == {
        "the shots are cut elsewhere than in the baseline"
    }


def test_a_failed_mean_names_the_shot_of_its_worst_frame() -> None:
    gates = (Gate("vmaf", worse=1.0),)
    report = compare_runs(made(), made(vmaf=-3), gates, lambda clip, metric, rung, shot: 23)
    assert {(c.shot, c.frame) for c in report.checks} == {(0, 23)}


def test_a_frame_is_looked_for_only_where_something_was_measured_and_fails() -> None:
    asked: list[tuple[str, str]] = []

    def find(clip: str, metric: str, name: str, shot: int | None) -> int | None:
        asked.append((metric, name))
        return 23

    lost = made(vmaf=-3).rungs[1]
    unmeasured = replace(made().rungs[2], scores={})
    candidate = replace(made(), rungs=(made().rungs[0], lost, unmeasured))
    report = compare_runs(made(), candidate, (Gate("vmaf", worse=1.0),), find)
    assert [(c.rung, c.passed, c.frame) for c in report.checks] == [
        ("v0", True, None),
        ("v1", False, 23),
        ("v2", False, None),
    ]
    (passing,) = compare_runs(
        made(), made(), (Gate("vmaf", "shot", worse=1.0, rung="v0"),), find
    ).checks
    assert (passing.passed, passing.frame) == (True, None)
    assert asked == [("vmaf", "v1")]


def test_bd_rates_are_those_of_bjontegaard() -> None:
    candidate = made(rate=0.9, vmaf=0.3)
    curves = [
        [[x.rates["average_bitrate"] for x in r.rungs], [x.scores["vmaf"]["mean"] for x in r.rungs]]
        for r in (made(), candidate)
    ]
    library: Any = import_module("bjontegaard")
    expected = library.bd_rate(
        *curves[0], *curves[1], method="pchip", require_matching_points=False, min_overlap=0
    )
    found = compare_runs(made(), candidate, ()).bd_rates["vmaf"]
    assert found == pytest.approx(expected, abs=0.2)
    assert compare_runs(made(), made(rate=0.9), ()).bd_rates["vmaf"] == pytest.approx(-10)


def test_bounds_rungs_and_clips() -> None:
    assert failed(made(), (Gate("vmaf", "min", least=90.0, rung="v1"),)) == {"vmaf.min"}
    assert failed(made(), (Gate("average_bitrate", most=5e6),)) == set()
    assert failed(made(), (Gate("vmaf", rung="v9", worse=1),)) == {"vmaf.mean"}
    fewer = replace(made(), rungs=made().rungs[:2])
    assert failed(fewer, ()) == {"rungs"}
    with pytest.raises(MeasureError, match="different masters"):
        compare_runs(made(), replace(made(), digest="d2"), ())
    other = replace(made(), clip="other.mov")
    reports = compare_clips([made(), other], [made()], ())
    assert [(r.clip, r.passed) for r in reports] == [("clip.mov", True), ("other.mov", False)]


def test_what_is_allowed_is_a_drop_of_scores_and_a_rise_of_all_else() -> None:
    gates = (
        Gate("vmaf", worse=1),
        Gate("vmaf", "shot", worse=2, shot=7),
        Gate("average_bitrate", worse_percent=5),
        Gate("bytes", worse=8, rung="v9"),
        Gate("encode_time", worse_percent=50, noise=2),
        Gate("bd_rate_vmaf", most=1),
    )
    unmeasured = replace(made().rungs[0], id="v9", rates={}, scores={}, shots={})
    for other in (made(), replace(made(), rungs=(*made().rungs, unmeasured))):
        report = compare_runs(other, other, gates)
        words = {check.gate: check.allowed for check in report.checks if check.gate != "rungs"}
        assert words == {
            "vmaf.mean": "drop of 1",
            "vmaf.shot 7": "drop of 2",
            "average_bitrate": "rise of 5%",
            "bytes": "rise of 8",
            "encode_time": "rise of 50% and noise of 2",
            "bd_rate_vmaf": "at most 1",
        }


def test_other_conditions_are_told_apart() -> None:
    report = compare_runs(made(), replace(made(), conditions={"ffmpeg": "10"}), DEFAULT_GATES)
    assert report.passed
    assert report.conditions == ("ffmpeg was 9, is 10",)
    assert "ffmpeg was 9, is 10" in plain_text([report])


def test_another_frame_rate_is_told_apart_from_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = package(tmp_path / "whole"), package(tmp_path / "half", drop=4)
    file = half / "report.json"
    document = json.loads(file.read_text("utf-8"))
    rate, frames = Fraction(document["conform"]["frame_rate"]), document["conform"]["frames"]
    document["conform"] |= {"frame_rate": str(rate / 2), "frames": -(-frames // 2)}
    file.write_text(json.dumps(document), encoding="utf-8")
    said = [f"frame rate was {rate}, is {rate / 2}", f"frames was {frames}, is {-(-frames // 2)}"]
    base = str(tmp_path / "base.json")
    assert run(["baseline", "save", str(whole), "--file", base]) == 0
    for words in (
        ["compare", str(whole), str(half)],
        ["compare", str(whole), str(file)],
        ["compare", base, str(half)],
        ["baseline", "check", str(half), "--file", base],
    ):
        capsys.readouterr()
        assert run(words) == 1
        told = capsys.readouterr()
        assert all(f"other conditions: {one}" in told.out for one in said)
        assert "All that failed was measured under other conditions" in told.err
        assert run([*words, "--json"]) == 1
        assert strict(capsys.readouterr().out)["clips"][0]["conditions"] == said
    # Of another master it is a reason beside the content, and no verdict.
    document["made_by"]["master_digest"] = "0" * 64
    file.write_text(json.dumps(document), encoding="utf-8")
    assert run(["compare", str(whole), str(half)]) == 6
    assert said[0] in capsys.readouterr().err


def test_junit_is_valid_with_a_case_for_each_rung_and_gate() -> None:
    reports = [compare_runs(made(), made(vmaf=-3, rate=1.2), DEFAULT_GATES)]
    text = junit_text([replace(reports[0], clip='a <"clip">\x01&.mov')])
    root = etree.fromstring(text.encode())
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(root)
    cases = root.findall(".//testcase")
    assert len(cases) == len(reports[0].checks) == int(root.get("tests"))
    assert len({(c.get("classname"), c.get("name")) for c in cases}) == len(cases)
    assert len(root.findall(".//failure")) == int(root.get("failures")) > 5


def test_cases_of_equal_gates_have_names_of_their_own() -> None:
    gates = (Gate("vmaf", worse=1), Gate("vmaf", least=50))
    root = etree.fromstring(junit_text([compare_runs(made(), made(), gates)]).encode())
    cases = [(c.get("classname"), c.get("name")) for c in root.findall(".//testcase")]
    assert len(set(cases)) == len(cases) == 6


def test_gates_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text(
        "gates:\n  - {metric: vmaf, pooling: shot, worse: 1.5, noise: 0.1}\n"
        "  - {metric: bytes, worse_percent: 2}\n"
        "  - {metric: psnr_y, pooling: shot, shot: 3, worse: 1}\n"
    )
    assert read_gates(path) == (
        Gate("vmaf", "shot", worse=1.5, noise=0.1),
        Gate("bytes", worse_percent=2.0),
        Gate("psnr_y", "shot", worse=1.0, shot=3),
    )
    for wrong, said in (
        ("gates:\n  - {metric: vmaff, worse: 1}\n", "vmaff"),
        ("gates:\n  - {metric: vmaf}\n", "allows everything"),
        ("gates:\n  - {metric: vmaf, wors: 1}\n", "worse"),
        ("gates: []\n", "empty"),
        ("gates:\n  - {metric: vmaf, shot: 2, worse: 1}\n", "pooling: shot"),
        ("gates:\n  - {metric: bd_rate_vmaf, worse: 1}\n", "Give most"),
        ("gates:\n  - {metric: bytes, pooling: p5, worse: 1}\n", "`bytes` has no pooling"),
        ("gates:\n  - {metric: bytes, pooling: shot, shot: 0, worse: 1}\n", "no pooling"),
        ("gates:\n  - {metric: encode_time, rung: v0, worse: 1}\n", "all rungs together"),
        ("gates: " + "[" * 2000, r"\[\.\.\.`"),
    ):
        path.write_text(wrong)
        with pytest.raises(UsageError, match=said):
            read_gates(path)


def package(folder: Path, drop: float = 0.0) -> Path:
    """A package's report and values of frames, with VMAF lower in one shot of the best rung."""
    result = factory.report_data().result
    document = json.loads(json_text(ingest_document(result)))
    (folder / "scores").mkdir(parents=True)
    starts = [shot["start"] for shot in document["shots"]]
    total = document["shots"][-1]["end"]
    for number, one in enumerate(document["renditions"]):
        if one["scores"] is None:
            continue
        arrays: dict[str, Any] = {"frame": np.arange(total, dtype=np.int32)}
        vmaf = np.full(total, 90.0, np.float32)
        if number == 0:
            vmaf[starts[1] + 5] -= 10 * drop
            one["scores"]["vmaf"]["p5"] -= drop
        edges = [*starts, total]
        means = [
            vmaf[a:b].mean() - (drop if i == 1 and number == 0 else 0)
            for i, (a, b) in enumerate(pairwise(edges))
        ]
        arrays["vmaf"] = vmaf
        arrays["vmaf_shots"] = np.array([[m] * 5 for m in means], np.float32)
        one["scores"]["per_frame"] = f"scores/{one['id']}.npz"
        np.savez(folder / "scores" / f"{one['id']}.npz", **arrays)
    (folder / "report.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_the_verbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = package(tmp_path / "good"), package(tmp_path / "bad", drop=4)
    assert run(["compare", str(good), str(good)]) == 0
    junit, comment = tmp_path / "j.xml", tmp_path / "c.md"
    arguments = ["--junit", str(junit), "--markdown", str(comment), "--json"]
    capsys.readouterr()
    assert run(["compare", str(good), str(bad), *arguments]) == 1
    document = strict(capsys.readouterr().out)
    failures = [c for c in document["clips"][0]["checks"] if not c["passed"]]
    assert {c["gate"] for c in failures} == {"vmaf.p5", "vmaf.shot"}
    (shot,) = [c for c in failures if c["gate"] == "vmaf.shot"]
    start = read_runs(bad)[0].measure.shots[1]
    assert (shot["shot"], shot["frame"]) == (1, start + 5)
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(etree.parse(str(junit)))
    assert f"frame {start + 5}" in comment.read_text("utf-8")
    file = ["--file", str(tmp_path / "base.json")]
    assert run(["baseline", "save", str(good), *file]) == 0
    assert run(["baseline", "save", str(good), *file]) == 2
    assert run(["baseline", "check", str(good), *file]) == 0
    assert run(["baseline", "check", str(bad), *file]) == 1
    before = (tmp_path / "base.json").read_bytes()
    assert run(["baseline", "update", str(good), *file]) == 0
    assert (tmp_path / "base.json").read_bytes() == before
    assert run(["baseline", "update", str(bad), *file]) == 0
    assert run(["baseline", "check", str(bad), *file]) == 0
    assert run(["compare", str(good), str(tmp_path / "nothing")]) == 4


def test_nothing_that_is_compared_is_written_over(tmp_path: Path) -> None:
    good, bad = package(tmp_path / "good"), package(tmp_path / "bad", drop=4)
    base, gates = tmp_path / "base.json", tmp_path / "gates.yaml"
    save_baseline(measures(read_runs(good)), base)
    gates.write_text("gates: [{metric: vmaf, worse: 1}]\n")
    read = (base, gates, bad / "report.json")
    before = [path.read_bytes() for path in read]
    for option in ("--junit", "--markdown", "--report"):
        for output in read:
            words = ["compare", str(base), str(bad), "--gates", str(gates)]
            assert run([*words, option, str(output)]) == 2
    assert [path.read_bytes() for path in read] == before
    # Beside a package's own files there is room.
    assert run(["compare", str(base), str(bad), "--junit", str(bad / "junit.xml")]) == 1
    assert (bad / "junit.xml").is_file()


def test_a_frame_that_lost_what_nobody_sees_is_not_shown(tmp_path: Path) -> None:
    runs = []
    for name, psnr in (("good", (99.0, 44.0, 41.0)), ("bad", (60.0, 43.5, 39.0))):
        folder = package(tmp_path / name)
        (run_of,) = read_runs(folder)
        rung_id = run_of.measure.rungs[0].id
        frames = np.arange(3, dtype=np.int32)
        np.savez(folder / "scores" / f"{rung_id}.npz", frame=frames, psnr_y=np.array(psnr))
        runs.append(run_of)
    find = frame_finder([runs[0]], [runs[1]])
    assert find(runs[1].measure.clip, "psnr_y", rung_id, None) == 2


def test_the_page_begins_with_all_rungs() -> None:
    report = compare_runs(made(), made(rate=1.2), DEFAULT_GATES)
    page = render_regression([report], [], [], ("before", "after"))
    assert "<th>vmaf.mean</th>" in page
    assert page.count('<small class="bad">+20.0% ') == 3 * 3
    assert '<b class="bad">FAIL</b>' in page


def test_of_two_gates_of_a_kind_the_page_begins_with_the_one_that_fails() -> None:
    for gates in (
        (Gate("vmaf", worse=1, rung="v0"), Gate("vmaf", least=50, rung="v0")),
        (Gate("vmaf", least=50, rung="v0"), Gate("vmaf", worse=1, rung="v0")),
    ):
        report = compare_runs(made(), made(vmaf=-3), gates)
        page = render_regression([report], [], [], ("before", "after"))
        assert page.count("<th>vmaf.mean</th>") == 1
        assert page.count('<small class="bad">\N{MINUS SIGN}3.00 ') == 1


@pytest.mark.parametrize(
    ("kinds", "flip"),
    [
        (("reference", "baseline", "candidate", "baseline's error", "candidate's error"), "1 2"),
        (("reference", "candidate", "candidate's error"), "0 1"),
        (("baseline", "candidate", "difference"), "0 1"),
    ],
)
def test_a_click_goes_from_the_baseline_to_the_candidate_or_else_from_the_reference(
    kinds: tuple[str, ...], flip: str
) -> None:
    report = compare_runs(made(), made(vmaf=-3), (Gate("vmaf", worse=1, rung="v0"),))
    part = Part("whole", tuple((kind, b"") for kind in kinds), 32, 18)
    shown = FramePictures("clip.mov", "v0", 5, 0, Fraction(5, 24), (part,))
    page = render_regression([report], [shown], [], ("before", "after"))
    assert re.findall('data-flip="([^"]*)"', page) == [flip]


def test_a_baseline_can_be_read_back(tmp_path: Path) -> None:
    runs = (made(), replace(made(), clip="another.mov"))
    save_baseline(runs, tmp_path / "b.json")
    assert measures(read_runs(tmp_path / "b.json")) == tuple(sorted(runs, key=lambda one: one.clip))
    assert strict((tmp_path / "b.json").read_text("utf-8")) == strict(
        json_text(baseline_document(runs))
    )
    (tmp_path / "b.json").write_text('{"schema": "encoder.baseline/1", "clips": [{}]}')
    with pytest.raises(RecordError, match=r"clips\[0\].shots. it is not there"):
        read_runs(tmp_path / "b.json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"nan"'])
def test_what_is_no_number_passes_no_gate(tmp_path: Path, number: str) -> None:
    good, bad = package(tmp_path / "good"), package(tmp_path / "bad")
    document = json.loads((bad / "report.json").read_text("utf-8"))
    document["renditions"][0]["scores"]["vmaf"]["p5"] = "HERE"
    content = json.dumps(document).replace('"HERE"', number)
    (bad / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(RecordError, match="where a number should be"):
        read_runs(bad)
    save_baseline(measures(read_runs(good)), tmp_path / "b.json")
    kept = json.loads((tmp_path / "b.json").read_text("utf-8"))
    kept["clips"][0]["rungs"][0]["scores"]["vmaf"]["p5"] = "HERE"
    content = json.dumps(kept).replace('"HERE"', number)
    (tmp_path / "b.json").write_text(content, encoding="utf-8")
    with pytest.raises(RecordError, match="where a number should be"):
        read_runs(tmp_path / "b.json")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_damaged_values_are_refused(tmp_path: Path, place: float) -> None:
    good = package(tmp_path / "good")
    path = next((good / "scores").glob("*.npz"))
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: int(len(data) * place)])
    with pytest.raises(RecordError, match="run cannot be read"):
        read_runs(good)
    with zipfile.ZipFile(path, "w") as archive_file:
        archive_file.writestr("vmaf_shots.npy", b"\x93NUMPY" + bytes(data[10:200]))
    with pytest.raises(RecordError, match="run cannot be read"):
        read_runs(good)


def test_two_runs_of_one_clip_are_not_told_apart(tmp_path: Path) -> None:
    package(tmp_path / "before")
    package(tmp_path / "after")
    with pytest.raises(MeasureError, match="two runs of one clip"):
        read_runs(tmp_path)


def test_documents_hold_no_number_that_is_none() -> None:
    one = replace(made(), rungs=made().rungs[:1], encode_seconds=0.0)
    document = regression_document([compare_runs(one, one, DEFAULT_GATES)])
    assert document["clips"][0]["encode_time_ratio"] is None
    assert document["clips"][0]["bd_rates"][0]["percent"] is None
    assert document["passed"]
