"""What failed is shown: the frames that lost most, of packages with real pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.cli.main import run
from encoder.probe.digest import digest_file
from encoder.report.document import ingest_document
from encoder.report.plain import json_text
from tests.cli.documented import strict
from tests.report import factory
from tests.score.scenes import FRAMES, HEIGHT, RATE, SOURCES, WIDTH, encode, make_master, planes

WORST = 7
CUT = 5


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_master(tmp_path_factory.mktemp("evidence") / "clip.mkv", SOURCES["fractal"])


def package(folder: Path, master: Path, crf: int, loss: float = 0.0) -> Path:
    """A package of one rung, with a loss in one frame of its second shot."""
    document: Any = json.loads(json_text(ingest_document(factory.report_data().result)))
    document["master"]["path"] = str(master)
    document["made_by"]["master_digest"] = digest_file(master)
    document["conform"] |= {
        "width": WIDTH,
        "height": HEIGHT,
        "frame_rate": f"{RATE.numerator}/{RATE.denominator}",
    }
    document["shots"] = [dict(document["shots"][0], start=start) for start in (0, CUT)]
    rung = document["renditions"][0]
    document["renditions"] = [rung]
    (folder / "video").mkdir(parents=True)
    (folder / "scores").mkdir()
    encode(master, f"{folder.name}.mp4", "-crf", str(crf)).replace(folder / "video" / "a.mp4")
    rung["path"] = "video/a.mp4"
    rung["scores"]["per_frame"] = f"scores/{rung['id']}.npz"
    vmaf = np.full(FRAMES, 90.0, np.float32)
    vmaf[WORST] -= loss
    means = [[vmaf[a:b].mean()] * 5 for a, b in pairwise([0, CUT, FRAMES])]
    np.savez(
        folder / rung["scores"]["per_frame"],
        frame=np.arange(FRAMES, dtype=np.int32),
        vmaf=vmaf,
        vmaf_shots=np.array(means, np.float32),
    )
    (folder / "report.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def embedded(page: str) -> dict[str, Any]:
    """The pictures of a page by what they are said to show."""
    from PIL import Image

    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"[^>]*alt="([^"]+)"', page)
    return {
        alt.partition(",")[0].replace("&#39;", "'"): np.asarray(
            Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), np.float64
        )
        for data, alt in found
    }


def test_the_page_shows_the_frame_that_failed(
    master: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path / "cache"))
    good = package(tmp_path / "good", master, 18)
    bad = package(tmp_path / "bad", master, 45, loss=30)
    page, comment, folder = (tmp_path / name for name in ("a.html", "a.md", "pictures"))
    arguments = ["--report", str(page), "--markdown", str(comment), "--pictures", str(folder)]
    assert run(["compare", str(good), str(bad), *arguments, "--json", "-q"]) == 1
    document = strict(capsys.readouterr().out)
    (failed,) = [c for c in document["clips"][0]["checks"] if not c["passed"]]
    assert (failed["gate"], failed["shot"], failed["frame"]) == ("vmaf.shot", 1, WORST)
    text = page.read_text("utf-8")
    assert f"frame {WORST} at 0:00.29, shot 1" in text
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", text)
    shown = embedded(text)
    errors = [f"{side}'s error x 8" for side in ("baseline", "candidate")]
    assert set(shown) == {"reference", "baseline", "candidate", *errors}
    # JPEG has full range, and luma of another matrix: near, but nearest to the frame itself.
    coded = [luma.astype(np.float64) for luma, _, _ in planes(good / "video" / "a.mp4")]
    distances = [np.abs(shown["baseline"] - (one - 16) * 255 / 219).mean() for one in coded]
    assert int(np.argmin(distances)) == WORST
    assert shown[errors[1]].mean() > 2 * shown[errors[0]].mean()
    kinds = [picture["kind"] for picture in document["pictures"]]
    assert kinds == ["reference", "baseline", "candidate", *errors]
    assert all(Path(p["path"]).stat().st_size for p in document["pictures"])
    assert comment.read_text("utf-8").count("![") == 5
    # Against itself, and with nothing to decode.
    gates = tmp_path / "gates.yaml"
    gates.write_text("gates: [{metric: vmaf, pooling: mean, least: 99}]\n")
    arguments = ["--report", str(page), "--gates", str(gates)]
    assert run(["compare", str(bad), str(bad), *arguments]) == 1
    shown = embedded(page.read_text("utf-8"))
    assert set(shown) == {"reference", "candidate", "candidate's error x 8"}
    video = good / "video" / "a.mp4"
    video.write_bytes(video.read_bytes().replace(b"hdlr", b"schm\0\0\0\0cbcs", 1))
    capsys.readouterr()
    assert run(["compare", str(bad), str(good), *arguments]) == 1
    assert "A rendition is encrypted" in capsys.readouterr().err
    assert embedded(page.read_text("utf-8")) == {}


def test_what_is_not_at_hand_is_left_out(
    master: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path / "cache"))
    gone = tmp_path / "gone.mkv"
    gone.write_bytes(master.read_bytes())
    good = package(tmp_path / "good", gone, 18)
    bad = package(tmp_path / "bad", gone, 45, loss=30)
    gone.unlink()
    page, file = str(tmp_path / "a.html"), str(tmp_path / "base.json")
    assert run(["compare", str(good), str(bad), "--report", page]) == 1
    assert "name it with --reference" in capsys.readouterr().err
    shown = embedded(Path(page).read_text("utf-8"))
    assert set(shown) == {"baseline", "candidate", "difference x 8"}
    # Of a stored baseline there are no pictures, and its frames have no values.
    assert run(["baseline", "save", str(good), "--file", file]) == 0
    arguments = ["--file", file, "--report", page, "--reference", str(master)]
    assert run(["baseline", "check", str(bad), *arguments]) == 1
    assert f"frame {WORST}" in capsys.readouterr().out
    shown = embedded(Path(page).read_text("utf-8"))
    assert set(shown) == {"reference", "candidate", "candidate's error x 8"}
    other = make_master(tmp_path / "other.mkv", SOURCES["detail"])
    assert run(["compare", file, str(bad), "--report", page, "--reference", str(other)]) == 1
    assert "not the master of the run" in capsys.readouterr().err
    assert embedded(Path(page).read_text("utf-8")) == {}
