"""Reports and baselines that lack something, or hold what they should not, are refused by field."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from encoder.cli.main import run
from encoder.engine.regression import measures, read_runs, save_baseline
from encoder.errors import RecordError
from tests.score.test_regression import made, package

Way = tuple[str | int, ...]


def ways(data: Any, before: Way = ()) -> Iterator[Way]:
    """The way to each value in a document, those of the first and second of an array alone."""
    inside = data.items() if isinstance(data, dict) else enumerate(data[:2])
    for name, value in inside:
        yield (*before, name)
        if isinstance(value, dict | list):
            yield from ways(value, (*before, name))


def called(way: Way) -> str:
    """As messages spell it."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in way).lstrip(".")


def holder(data: Any, way: Way) -> Any:
    for one in way[:-1]:
        data = data[one]
    return data


@pytest.fixture
def baseline(tmp_path: Path) -> tuple[Path, Any]:
    file = tmp_path / "base.json"
    save_baseline([made()], file)
    return file, json.loads(file.read_text("utf-8"))


def refusal(file: Path, data: Any) -> RecordError:
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_runs(file)
    assert caught.value.exit_code == 4
    assert str(file) in caught.value.where
    assert caught.value.hint
    return caught.value


# What may be left out: a metric, the name of a condition.
OPEN = ("conditions", "scores", "shots")


def test_no_field_of_a_baseline_may_be_left_out(baseline: tuple[Path, Any]) -> None:
    file, whole = baseline
    told = []
    for way in ways(whole):
        if isinstance(way[-1], int) or (len(way) > 2 and way[-2] in OPEN):
            continue
        data = copy.deepcopy(whole)
        del holder(data, way)[way[-1]]
        error = refusal(file, data)
        if way != ("schema",):
            assert (error.where, error.why) == (f"{file}: {called(way)}", "it is not there")
            assert "encoder baseline save" in error.hint
            told.append(called(way))
    assert "clips[0].rungs[0].rates.average_bitrate" in told
    assert "clips[0].rungs[1].scores.vmaf.mean" in told


@pytest.mark.parametrize("wrong", [None, True, "9", [], {}, {"a": 1}, ["b"]])
def test_no_value_of_a_baseline_may_be_of_another_type(
    baseline: tuple[Path, Any], wrong: Any
) -> None:
    file, whole = baseline
    tried = 0
    for way in ways(whole):
        right = holder(whole, way)[way[-1]]
        if type(wrong) is type(right) and wrong != ["b"]:
            continue
        # Nothing was scored of a shot.
        if wrong is None and "rungs" in way and way[-3:-2] == ("shots",):
            continue
        data = copy.deepcopy(whole)
        holder(data, way)[way[-1]] = wrong
        error = refusal(file, data)
        if way != ("schema",):
            assert called(way) in error.where
            tried += 1
    assert tried > 5


def test_what_does_not_belong_together_is_refused(baseline: tuple[Path, Any]) -> None:
    file, whole = baseline
    clip = "clips[0]"
    spoil: Callable[[Any], Any]
    for spoil, field, why in (
        (lambda c: c["rungs"].append(c["rungs"][0]), f"{clip}.rungs", "two are called v0"),
        (lambda c: c.update(more=1), f"{clip}.more", "no such field"),
        (lambda c: c["rungs"][0].update(more=1), f"{clip}.rungs[0].more", "no such field"),
        (
            lambda c: c["rungs"][0]["rates"].update(bits=1),
            f"{clip}.rungs[0].rates.bits",
            "no such field",
        ),
        (
            lambda c: c["rungs"][0]["scores"]["vmaf"].update(p7=1),
            f"{clip}.rungs[0].scores.vmaf.p7",
            "no such field",
        ),
        (
            lambda c: c["rungs"][0]["shots"].update(vmaf=[90.0]),
            f"{clip}.rungs[0].shots.vmaf",
            "1 values, and the clip 2 shots",
        ),
        (
            lambda c: c["rungs"][0]["rates"].update(bytes=10**400),
            f"{clip}.rungs[0].rates.bytes",
            "inf where a number",
        ),
        (
            lambda c: c["rungs"][0]["rates"].update(average_bitrate=0),
            f"{clip}.rungs[0].rates.average_bitrate",
            "above zero",
        ),
        (lambda c: c["shots"].append(-1), f"{clip}.shots[2]", "a whole number, 0 or more"),
        (lambda c: c["shots"].append(0.5), f"{clip}.shots[2]", "a whole number, 0 or more"),
    ):
        data = copy.deepcopy(whole)
        spoil(data["clips"][0])
        error = refusal(file, data)
        assert error.where == f"{file}: {field}"
        assert why in error.why


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "7", "\ud800", "{"])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "base.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecordError, match="A run cannot be read"):
        read_runs(file)


def test_no_field_of_a_report_that_is_compared_may_be_missing_or_wrong(tmp_path: Path) -> None:
    folder = package(tmp_path / "good")
    file = folder / "report.json"
    whole = json.loads(file.read_text("utf-8"))
    expected = measures(read_runs(folder))
    told: set[tuple[str, int, str]] = set()
    compared = {"schema", "made_by", "master", "conform", "shots", "cost", "renditions"}
    for way in ways({name: whole[name] for name in compared}):
        for change in ("remove", "null", "retype"):
            data = copy.deepcopy(whole)
            if change == "remove":
                if isinstance(way[-1], int):
                    continue
                del holder(data, way)[way[-1]]
            else:
                holder(data, way)[way[-1]] = None if change == "null" else [["x"]]
            file.write_text(json.dumps(data), encoding="utf-8")
            try:
                found = measures(read_runs(folder))
            except RecordError as error:
                told.add((called(way), error.exit_code, error.where.partition(":")[0]))
                continue
            # What is not compared does not matter; a metric may be left out, and so may values.
            if found != expected:
                assert way[-1] in ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim", "per_frame")
    assert {
        "made_by.ffmpeg",
        "made_by.libraries[0].version",
        "master.path",
        "conform.frame_rate",
        "conform.frames",
        "shots[0].start",
        "cost.encode_cpu_seconds",
        "renditions[0].id",
        "renditions[0].average_bitrate",
        "renditions[1].scores",
        "renditions[0].scores.vmaf.model",
        "renditions[0].scores.vmaf.p5",
        "renditions[0].scores.per_frame",
    } <= {field for field, _, _ in told}
    assert {(code, where) for _, code, where in told} == {(4, str(file))}


@pytest.mark.parametrize(
    "rate", ["0/1", "-24", "1/0", "1e99999", "1e999999999", "9" * 5000, "24 ", "\u0662", "nan", ""]
)
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    folder = package(tmp_path / "good")
    file = folder / "report.json"
    data = json.loads(file.read_text("utf-8"))
    data["conform"]["frame_rate"] = rate
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_runs(folder)
    assert caught.value.where == f"{file}: conform.frame_rate"
    assert len(caught.value.why) < 200


@pytest.mark.parametrize("schema", ["encoder.ingest/2", "encoder.baseline/2", "encoder.x/1", 1])
def test_what_another_version_wrote_is_not_half_understood(tmp_path: Path, schema: object) -> None:
    good = package(tmp_path / "good")
    save_baseline(measures(read_runs(good)), tmp_path / "base.json")
    for file in (good / "report.json", tmp_path / "base.json"):
        data = json.loads(file.read_text("utf-8"))
        data["schema"] = schema
        file.write_text(json.dumps(data), encoding="utf-8")
        with pytest.raises(RecordError, match=r"reads encoder.ingest/1 and encoder.baseline/1"):
            read_runs(file)


def test_a_name_that_no_file_can_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, name = str(package(tmp_path / "good")), "x" * 300
    for verb, code in (("save", 3), ("update", 3), ("check", 4)):
        assert run(["baseline", verb, good, "--file", str(tmp_path / name)]) == code
        assert "File name too long" in capsys.readouterr().err


def test_values_of_other_shots_than_the_report_has_are_refused(tmp_path: Path) -> None:
    folder = package(tmp_path / "good")
    file = folder / "report.json"
    data = json.loads(file.read_text("utf-8"))
    data["shots"].pop()
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RecordError, match=r"\.npz.* shots, and the report \d+ shots"):
        read_runs(folder)


def test_a_baseline_without_a_rate_is_refused_by_every_verb(
    tmp_path: Path, baseline: tuple[Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = baseline
    good = str(package(tmp_path / "good"))
    del data["clips"][0]["rungs"][0]["rates"]["average_bitrate"]
    file.write_text(json.dumps(data), encoding="utf-8")
    before = file.read_bytes()
    for words in (
        ["baseline", "check", good, "--file", str(file)],
        ["baseline", "update", good, "--file", str(file)],
        ["compare", str(file), good],
        ["compare", good, str(file)],
    ):
        assert run(words) == 4
        said = capsys.readouterr()
        assert said.out == ""
        assert f"{file}: clips[0].rungs[0].rates.average_bitrate. it is not there." in said.err
        assert "encoder baseline save" in said.err
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["no", "no.json", "no/report.json"])
def test_what_is_not_there_is_4_for_every_verb(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, gone, base = str(package(tmp_path / "good")), str(tmp_path / name), tmp_path / "base.json"
    save_baseline(measures(read_runs(Path(good))), base)
    for words in (
        ["compare", gone, good],
        ["compare", good, gone],
        ["baseline", "save", gone, "--file", str(tmp_path / "new.json")],
        ["baseline", "check", gone, "--file", str(base)],
        ["baseline", "check", good, "--file", gone],
        ["baseline", "update", gone, "--file", str(base)],
    ):
        assert run(words) == 4
        said = capsys.readouterr()
        assert said.out == ""
        assert "No such file or directory" in said.err
    assert not (tmp_path / "new.json").exists()


def test_pictures_of_a_report_without_its_conform_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path / "cache"))
    good, bad = package(tmp_path / "good"), package(tmp_path / "bad", drop=4)
    file = bad / "report.json"
    data = json.loads(file.read_text("utf-8"))
    del data["master"]["path"], data["renditions"][0]["path"]
    data["master"]["path"] = "clip.mov"
    file.write_text(json.dumps(data), encoding="utf-8")
    report = tmp_path / "a.html"
    assert run(["compare", str(good), str(bad), "--report", str(report)]) == 1
    assert "renditions[0].path. it is not there" in capsys.readouterr().err
