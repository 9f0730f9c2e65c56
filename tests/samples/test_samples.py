"""The sample masters are what the catalog says, to the byte the same each time, and never in the
way of somebody's files.

This folder must not become a package: it would hide the `samples` it tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

from samples import generate as module
from samples.generate import Sample, SampleError, describe, generate, load_catalog, main, recipe

CATALOG = load_catalog()
QUICK = ("slides", "sport")
EVERY = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name) for name in CATALOG
]

TINY: dict[str, Any] = {
    "name": "tiny",
    "hard": "nothing",
    "container": "mkv",
    "width": 64,
    "height": 36,
    "frame_rate": "25",
    "frames": 5,
    "video": ["ffv1"],
    "audio": [{"codec": "flac", "layout": "mono", "language": "und"}],
}
TINY_GRAPH = "# red\ncolor=red:s=64x36:r=25[picture];\nsine=r=48000[sound0]\n"


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a catalog of one small sample in place of the real one; call again to change it."""
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    monkeypatch.setattr(module, "GRAPHS", graphs)

    def put(graph: str = TINY_GRAPH, **fields: Any) -> None:
        (graphs / "tiny.graph").write_text(graph, encoding="utf-8")
        catalog = load_catalog(write_catalog(tmp_path / "catalog.yaml", TINY | fields))
        monkeypatch.setattr(module, "load_catalog", lambda: catalog)

    put()
    return put


def write_catalog(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestCatalog:
    def test_has_what_a_test_bed_needs(self) -> None:
        every = CATALOG.values()
        assert len(every) >= 8
        assert {sample.frame_rate for sample in every} >= {
            Fraction(24),
            Fraction(25),
            Fraction(30000, 1001),
            Fraction(30),
            Fraction(50),
        }
        assert any(not sample.audio for sample in every)
        assert {track.layout for s in every for track in s.audio} == {"mono", "stereo", "5.1"}
        assert ["eng", "fra"] in [[track.language for track in s.audio] for s in every]
        assert any(sample.rotation for sample in every)
        assert any(sample.sample_aspect != 1 for sample in every)
        assert any(sample.scan != "progressive" for sample in every)
        assert any(len(sample.cuts) >= 5 for sample in every)
        assert any(sample.fades for sample in every)

    def test_masters_are_short_and_small(self) -> None:
        for sample in CATALOG.values():
            assert 4 <= sample.duration <= 8.1, sample.name
            assert sample.width * sample.height <= 1280 * 720, sample.name

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"colour": "red"}, "colour"),
            ({"frame_rate": 25}, "frame_rate"),
            ({"frame_rate": "25/0"}, "ZeroDivisionError"),
            ({"sample_aspect": 969}, "sample_aspect"),
            ({"cuts": [2, 5]}, "cuts"),
            ({"cuts": [3, 2]}, "cuts"),
            ({"cuts": [0]}, "cuts"),
            ({"fades": [[2, 6]]}, "fades"),
            ({"container": "avi"}, "container"),
            ({"rotation": 45}, "rotation"),
            ({"scan": "mixed"}, "scan"),
            ({"name": "../up"}, "name"),
            ({"video": []}, "video"),
            ({"video": ["libx264", "-qp", 0]}, "video"),
            ({"frames": 0}, "frames"),
            ({"audio": [{"codec": "flac"}]}, "layout"),
        ],
    )
    def test_a_wrong_entry_is_named(
        self, tmp_path: Path, change: dict[str, Any], named: str
    ) -> None:
        path = write_catalog(tmp_path / "catalog.yaml", TINY | change)
        with pytest.raises(SampleError, match="entry 1") as caught:
            load_catalog(path)
        assert named in str(caught.value)
        assert caught.value.exit_code == 2

    def test_a_name_may_be_there_once_only(self, tmp_path: Path) -> None:
        with pytest.raises(SampleError, match=r"entry 2.*twice"):
            load_catalog(write_catalog(tmp_path / "catalog.yaml", TINY, TINY))

    def test_readme_explains_every_field(self) -> None:
        readme = (module.HERE / "README.md").read_text(encoding="utf-8")
        facts = describe(CATALOG["mix"])
        for field in [*facts, *facts["audio"][0], "path"]:
            assert f"`{field}`" in readme, field
        for name in CATALOG:
            assert f"| `{name}` |" in readme, name


class TestRecipe:
    @pytest.mark.parametrize("name", CATALOG)
    def test_everything_it_reads_is_there(self, name: str) -> None:
        assert all(path.is_file() for path in recipe(CATALOG[name]).inputs)

    def test_a_missing_part_is_an_error(self, tiny: Callable[..., None]) -> None:
        tiny("color=red,drawtext=textfile=gone.txt[picture];sine[sound0]")
        with pytest.raises(SampleError, match=r"gone\.txt") as caught:
            recipe(module.load_catalog()["tiny"])
        assert caught.value.exit_code == 2

    def test_digest_knows_graph_texts_and_ffmpeg(self, tiny: Callable[..., None]) -> None:
        text = module.GRAPHS / "words.txt"
        text.write_text("one", encoding="utf-8")
        graph = "color=red,drawtext=textfile=words.txt[picture];sine[sound0]"
        digests = []
        for change, content, version in (
            (graph, "one", "a"),
            (graph, "one", "b"),
            (graph, "two", "a"),
            (graph.replace("red", "blue"), "one", "a"),
        ):
            tiny(change)
            text.write_text(content, encoding="utf-8")
            digests.append(recipe(module.load_catalog()["tiny"]).digest(version))
        assert len(set(digests)) == 4

    def test_comments_do_not_change_it(self, tiny: Callable[..., None]) -> None:
        before = recipe(module.load_catalog()["tiny"])
        tiny("# green, once\n" + TINY_GRAPH)
        assert recipe(module.load_catalog()["tiny"]) == before


class TestGenerate:
    def test_same_bytes_again(self, media: Path, tmp_path: Path) -> None:
        first = generate(QUICK, media)
        second = generate(QUICK, tmp_path / "again")
        assert list(first) == list(second) == list(QUICK)
        for name in QUICK:
            assert first[name] != second[name]
            assert digest(first[name]) == digest(second[name]), name

    def test_leaves_up_to_date_files_alone(self, tiny: Callable[..., None], tmp_path: Path) -> None:
        lines: list[str] = []
        path = generate(["tiny"], tmp_path / "out", say=lines.append)["tiny"]
        # Not the time of access, which looking at the file may change.
        before = (path.stat().st_ino, path.stat().st_mtime_ns)
        generate(["tiny"], tmp_path / "out", say=lines.append)
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
        assert len(lines) == 1

    def test_nothing_but_file_and_note_remains(
        self, tiny: Callable[..., None], tmp_path: Path
    ) -> None:
        path = generate(["tiny"], tmp_path / "out")["tiny"]
        assert sorted(os.listdir(path.parent)) == ["tiny.mkv", "tiny.mkv.json"]
        note = json.loads((path.parent / "tiny.mkv.json").read_text(encoding="utf-8"))
        assert note["schema"] == "encoder.sample/1"
        assert note["sha256"] == digest(path)

    @pytest.mark.parametrize("harm", ["damaged", "gone", "recipe"])
    def test_makes_again_what_is_not_right(
        self, tiny: Callable[..., None], tmp_path: Path, harm: str
    ) -> None:
        path = generate(["tiny"], tmp_path / "out")["tiny"]
        good = digest(path)
        if harm == "damaged":
            path.write_bytes(path.read_bytes()[:-100])
        elif harm == "gone":
            path.unlink()
        else:
            tiny(TINY_GRAPH.replace("red", "blue"))
        again = digest(generate(["tiny"], tmp_path / "out")["tiny"])
        assert (again != good) if harm == "recipe" else (again == good)

    @pytest.mark.parametrize("note", [None, "not JSON", "[]", '{"schema": "another/1"}'])
    def test_a_file_of_others_is_kept(
        self, tiny: Callable[..., None], tmp_path: Path, note: str | None
    ) -> None:
        theirs = tmp_path / "tiny.mkv"
        theirs.write_bytes(b"holiday")
        if note is not None:
            (tmp_path / "tiny.mkv.json").write_text(note, encoding="utf-8")
        with pytest.raises(SampleError, match="in the way") as caught:
            generate(["tiny"], tmp_path)
        assert caught.value.exit_code == 2
        assert theirs.read_bytes() == b"holiday"

    def test_a_failure_leaves_nothing(self, tiny: Callable[..., None], tmp_path: Path) -> None:
        tiny("nosuchfilter[picture];sine[sound0]")
        with pytest.raises(SampleError, match="nosuchfilter") as caught:
            generate(["tiny"], tmp_path / "out")
        assert caught.value.exit_code == 5
        assert os.listdir(tmp_path / "out") == []

    def test_folder_names_need_no_care(self, tiny: Callable[..., None], tmp_path: Path) -> None:
        path = generate(["tiny"], tmp_path / "-a b'c:%d,[ü]")["tiny"]
        with av.open(path) as container:
            assert sum(1 for _ in container.decode(video=0)) == 5

    def test_a_file_for_a_folder_is_an_error(
        self, tiny: Callable[..., None], tmp_path: Path
    ) -> None:
        (tmp_path / "out").touch()
        with pytest.raises(SampleError, match="cannot be written") as caught:
            generate(["tiny"], tmp_path / "out")
        assert caught.value.exit_code == 3

    def test_unknown_names_get_a_hint(self, tmp_path: Path) -> None:
        with pytest.raises(SampleError, match="Did you mean 'slides'") as caught:
            generate(["slide"], tmp_path / "out")
        assert caught.value.exit_code == 2
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("program", ["no-such-ffmpeg", "false"])
    def test_an_ffmpeg_that_does_not_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
    ) -> None:
        monkeypatch.setenv("ENCODER_FFMPEG", program)
        with pytest.raises(SampleError, match="ENCODER_FFMPEG") as caught:
            generate(["slides"], tmp_path)
        assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", EVERY)
class TestMedia:
    def test_streams_are_as_the_catalog_says(self, media: Path, name: str) -> None:
        sample = CATALOG[name]
        path = generate([name], media)[name]
        assert path.stat().st_size < 8_000_000
        with av.open(path) as container:
            video = container.streams.video[0]
            assert (video.width, video.height) == (sample.width, sample.height)
            assert video.average_rate == sample.frame_rate
            assert (video.sample_aspect_ratio or 1) == sample.sample_aspect
            # BT.709 has the number 1 in all three lists of ISO/IEC 23091-2; limited range is 1.
            context = video.codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
            assert context.color_range == 1
            tracks = container.streams.audio
            assert [track.layout.name for track in tracks] == [t.layout for t in sample.audio]
            assert [track.language or "und" for track in tracks] == [
                t.language for t in sample.audio
            ]
            assert {track.rate for track in tracks} <= {module.SAMPLE_RATE}
            assert {s.type for s in container.streams} <= {"video", "audio"}
            assert "creation_time" not in container.metadata

    def test_frames_are_as_the_catalog_says(self, media: Path, name: str) -> None:
        sample = CATALOG[name]
        with av.open(generate([name], media)[name]) as container:
            video = container.streams.video[0]
            frames = [
                (frame.pts, frame.format.name, frame.interlaced_frame, frame.rotation)
                for frame in container.decode(video)
            ]
            tick = video.time_base
        # PyAV counts counter-clockwise. Containers of millisecond ticks round the times.
        kind = (sample.pixel_format, sample.scan == "tff", -sample.rotation)
        assert len(frames) == sample.frames
        assert {frame[1:] for frame in frames} == {kind}
        for index, (pts, *_) in enumerate(frames):
            assert pts is not None
            assert tick is not None
            assert abs(pts * tick - index / sample.frame_rate) <= Fraction(1, 1000)

    def test_sound_lasts_as_long_as_the_picture(self, media: Path, name: str) -> None:
        sample = CATALOG[name]
        with av.open(generate([name], media)[name]) as container:
            for track in container.streams.audio:
                container.seek(0)
                length = sum(frame.samples for frame in container.decode(track))
                # AAC comes in whole frames of 1024.
                assert 0 <= length - sample.audio_samples < 1024

    def test_cuts_are_where_the_catalog_says(self, media: Path, name: str) -> None:
        """Pictures of 16 by 16 areas change much at cuts and little elsewhere."""
        sample = CATALOG[name]
        changes = picture_changes(generate([name], media)[name])
        assert [int(index) for index in np.flatnonzero(changes > 25)] == list(sample.cuts)
        calm = np.delete(changes, sample.cuts)
        assert calm.max() < 20


def picture_changes(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean absolute change from the frame before, in 8-bit levels; 0 for the first."""
    with av.open(path) as container:
        small = np.stack(
            [
                frame.reformat(16, 16, "rgb24", interpolation="AREA").to_ndarray()
                for frame in container.decode(video=0)
            ]
        ).astype(np.float64)
    changes: np.ndarray[Any, np.dtype[np.float64]] = np.abs(np.diff(small, axis=0)).mean((1, 2, 3))
    return np.concatenate([[0.0], changes])


class TestCommandLine:
    def test_list_makes_nothing(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("ENCODER_FFMPEG", "no-such-ffmpeg")
        assert main(["--list", "-o", str(tmp_path / "out")]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == list(CATALOG)
        assert not (tmp_path / "out").exists()

    def test_json_says_what_the_catalog_says(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list", "--json", "dissolves"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["schema"] == "encoder.samples/1"
        (entry,) = result["samples"]
        assert entry["frame_rate"] == "30000/1001"
        assert entry["duration"] == "7007/1000"
        assert entry["sample_aspect"] == "32/27"
        assert entry["audio"] == [{"codec": "flac", "layout": "5.1", "language": "eng"}]
        assert "path" not in entry

    def test_paths_on_stdout_progress_on_stderr(
        self, tiny: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["-o", str(tmp_path / "out")]) == 0
        captured = capsys.readouterr()
        assert captured.out == f"{tmp_path / 'out' / 'tiny.mkv'}\n"
        assert captured.err.startswith("tiny: made in ")

    @pytest.mark.parametrize("arguments", [["nothing"], ["--list", "nothing"]])
    def test_errors_go_to_stderr(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "No such sample: nothing" in captured.err

    @pytest.mark.parametrize("how", [["samples/generate.py"], ["-m", "samples.generate"]])
    def test_runs_from_the_checkout(self, how: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, *how, "--list", "mix"],
            cwd=module.HERE.parent,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("mix ")


def test_duration_and_sound_are_exact() -> None:
    sample: Sample = CATALOG["dissolves"]
    assert sample.duration == Fraction(7007, 1000)
    assert sample.audio_samples == 336336
