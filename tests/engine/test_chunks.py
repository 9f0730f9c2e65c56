"""Chunks are kept one by one; what comes out does not depend on how they were run."""

from __future__ import annotations

import _thread
import os
import signal
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import encoder.encode.chunk as encoding
import encoder.encode.chunks as planning
import encoder.engine.chunk_runner as chunk_runner
import encoder.engine.pipeline as pipeline
from encoder.encode.buffer import fill_after, play
from encoder.encode.chunk import encode_chunk
from encoder.encode.chunk_command import Measuring
from encoder.encode.cut import Cut, find_cut
from encoder.encode.packets import read_packets
from encoder.engine.chunk_runner import ChunkRunner
from encoder.engine.events import Notice
from encoder.engine.store import Store
from encoder.errors import EncodeError, MachineError
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import Patience
from encoder.media.frames import FrameRange
from tests.engine.small import EDGES, Bench, contents, kept, rung, small_master

RUNGS = (rung("a"), rung("b", 80, 48, crf_per_shot=(26.0, 30.0, 30.0, 34.0)))


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_master(tmp_path_factory.mktemp("master"))


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk for each shot."""
    monkeypatch.setattr(planning, "CHUNK_SECONDS", 2)


@pytest.fixture(scope="module")
def undisturbed(master: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "CHUNK_SECONDS", 2)
        store = Store(tmp_path_factory.mktemp("store"))
        return contents(Bench(master, store).encode(*RUNGS))


def faulty(folder: Path, once: str) -> Ffmpeg:
    """An FFmpeg that does something else the first time that it is to encode."""
    real = locate()
    script = folder / "ffmpeg"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *force_key_frames*) if mkdir "{folder}/done" 2>/dev/null; then {once}; fi;; '
        f'esac\nexec "{real.path}" "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return replace(real, path=script)


def test_any_number_of_workers_makes_the_same_bytes(
    master: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    bench = Bench(master, Store(tmp_path), jobs=3)
    assert contents(bench.encode(*RUNGS)) == undisturbed
    assert len(kept(bench.store)) == 8


def test_little_memory_makes_the_same_bytes(
    master: Path,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(master, Store(tmp_path), memory=1)
    runs: list[int] = []

    def counted(*positional: Any, **named: Any) -> Any:
        runs.append(len(positional[2]))
        return encode_chunk(*positional, **named)

    monkeypatch.setattr(chunk_runner, "encode_chunk", counted)
    assert contents(bench.encode(*RUNGS)) == undisturbed
    assert runs == [1] * 8


def test_only_what_changed_is_encoded(master: Path, tmp_path: Path) -> None:
    bench = Bench(master, Store(tmp_path))
    bench.encode(*RUNGS)
    before = kept(bench.store)
    changed = replace(RUNGS[1], id="c", crf_per_shot=(26.0, 30.0, 28.0, 34.0))
    bench.encode(RUNGS[0], changed)
    assert len(kept(bench.store) - before) == 1
    bench.encode(RUNGS[0], changed, RUNGS[1])
    assert len(kept(bench.store) - before) == 1


def test_a_damaged_chunk_is_made_again(
    master: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    bench = Bench(master, Store(tmp_path))
    bench.encode(*RUNGS)
    for step, name in (("chunk", "chunk.mp4"), ("encode", "rendition.mp4")):
        for path in (tmp_path / step).glob(f"*/*/{name}"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
    assert contents(bench.encode(*RUNGS)) == undisturbed


def test_interrupted_once_it_finishes_what_is_under_way(
    master: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    bench = Bench(master, Store(tmp_path))

    def interrupt_soon() -> None:
        while not (tmp_path / "chunk").exists():
            time.sleep(0.01)
        assert bench.interruption.ask()
        assert not bench.interruption.ask()

    thread = threading.Thread(target=interrupt_soon)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bench.encode(*RUNGS)
    thread.join()
    assert any(isinstance(e, Notice) and "once more" in e.text for e in bench.events)
    done = kept(bench.store)
    assert 0 < len(done) < 8
    assert len(done) % 2 == 0
    assert not list((tmp_path / "tmp").iterdir())
    again = Bench(master, bench.store)
    assert contents(again.encode(*RUNGS)) == undisturbed
    assert done < kept(bench.store)


def test_interrupted_twice_it_stops_what_is_under_way(
    master: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    # The first chunk would never end by itself.
    ffmpeg = faulty(tmp_path, f"echo $$ > {tmp_path}/started; sleep 600")
    bench = Bench(master, Store(tmp_path / "store"), ffmpeg=ffmpeg)

    def interrupt_twice() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        assert bench.interruption.ask()
        while not any(isinstance(e, Notice) and "once more" in e.text for e in bench.events):
            time.sleep(0.01)
        # What the command line's handler of signals does when nothing is drained.
        assert not bench.interruption.ask()
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt_twice)
    # Where a shell started this in the background, the signal is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            bench.encode(*RUNGS)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    process = int((tmp_path / "started").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not kept(bench.store)
    assert not list((tmp_path / "store" / "tmp").iterdir())
    assert contents(Bench(master, bench.store).encode(*RUNGS)) == undisturbed


def test_an_ffmpeg_that_stands_still_is_started_again(
    master: Path,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hasty(ChunkRunner):
        def __init__(self, *positional: object, **named: object) -> None:
            super().__init__(*positional, **named, patience=Patience(1.0, 1.0))  # type: ignore[arg-type, misc]

    monkeypatch.setattr(pipeline, "ChunkRunner", Hasty)
    ffmpeg = faulty(tmp_path, "kill -STOP $$")
    bench = Bench(master, Store(tmp_path / "store"), ffmpeg=ffmpeg)
    assert contents(bench.encode(*RUNGS)) == undisturbed
    assert any(isinstance(e, Notice) and "stood still" in e.text for e in bench.events)


@pytest.mark.parametrize(
    ("once", "error"),
    [
        ("kill -KILL $$", EncodeError),
        (
            "echo '[error] av_interleaved_write_frame(): No space left on device' >&2; exit 1",
            MachineError,
        ),
    ],
    ids=["killed", "disk-full"],
)
def test_after_a_failure_the_same_again_goes_on(
    master: Path,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    once: str,
    error: type[Exception],
) -> None:
    ffmpeg = faulty(tmp_path, once)
    bench = Bench(master, Store(tmp_path / "store"), ffmpeg=ffmpeg)
    with pytest.raises(error):
        bench.encode(*RUNGS)
    assert not list((tmp_path / "store" / "tmp").iterdir())
    assert contents(bench.encode(*RUNGS)) == undisturbed


@pytest.mark.parametrize("cuts", [True, False], ids=["cuts", "take"])
def test_seams_keep_to_the_buffer_model(
    master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool
) -> None:
    monkeypatch.setattr(planning, "TAKE_SECONDS", 2)
    # Far too few bits for its quality: the buffer is nearly empty at the end of every chunk.
    tight = rung(
        "t", crf_per_shot=(14.0,) * 4, preset="veryfast", max_bitrate=300_000, buffer_bits=300_000
    )
    bench = Bench(master, Store(tmp_path), jobs=2, cuts=cuts)
    encoded = bench.encode(tight)
    (rendition,) = encoded.renditions.video
    packets = read_packets(rendition.path)
    model = (rendition.frame_rate, 300_000, 300_000)
    (only,) = encoded.rungs
    # What each chunk lacks from the buffer that its encoder was told of or saw before it: encoders
    # overdraw a little by themselves now and then.
    own = 0.0
    for asked, chunk in zip(only.asked, only.chunks, strict=True):
        told = asked.settings.buffer_start
        fill = fill_after(chunk.packets.before, *model, 0.9 if told is None else told)
        own += play(chunk.packets.sizes, *model, fill).lacking.sum()
    joined = play(packets.sizes, *model, 0.9).lacking.sum()
    assert joined <= own < 15_000
    mended = [asked.settings.buffer_start for asked in only.asked[1:]]
    if cuts:
        # It would not have, had every chunk been left as it was encoded at first.
        assert len(kept(bench.store)) > 4
        assert any(fill is not None for fill in mended)
    else:
        # Its encoder saw the take before the seam, and how full the buffer was.
        assert [chunk.lead for chunk in only.planned] == [0, 60, 60, 60]
        assert mended == [None] * 3


def test_what_the_buffer_limits_comes_out_the_same_each_time(master: Path, tmp_path: Path) -> None:
    tight = rung(
        "t", crf_per_shot=(14.0,) * 4, preset="veryfast", max_bitrate=300_000, buffer_bits=300_000
    )
    found = [
        contents(Bench(master, Store(tmp_path / str(jobs)), jobs=jobs).encode(tight))
        for jobs in (1, 2, 3)
    ]
    assert found == [found[0]] * 3


def test_two_runs_share_a_title(
    master: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    benches = [Bench(master, Store(tmp_path)) for _ in range(2)]
    found: list[dict[str, bytes]] = []
    threads = [
        threading.Thread(target=lambda b=bench: found.append(contents(b.encode(*RUNGS))))
        for bench in benches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [undisturbed, undisturbed]
    assert not list((tmp_path / "locks").iterdir())


def test_scores_come_with_the_chunks(master: Path, tmp_path: Path) -> None:
    bench = Bench(master, Store(tmp_path))
    measured = Measuring("vmaf_v0.6.1", 1)
    encoded = bench.encode(RUNGS[0], measuring=measured)
    scores = [one.scores for one in encoded.rungs[0].chunks]
    assert [s.frame.tolist() for s in scores if s is not None] == [
        list(range(start, start + 60)) for start in EDGES[:-1]
    ]
    again = bench.encode(RUNGS[0], measuring=measured)
    assert [one.scores is not None for one in again.rungs[0].chunks] == [True] * 4
    # Encoded before it was to be measured: encodes are not made again for that.
    other = bench.encode(RUNGS[1])
    assert all(one.scores is None for one in other.rungs[0].chunks)
    later = bench.encode(RUNGS[1], measuring=measured)
    assert all(one.scores is None for one in later.rungs[0].chunks)
    assert os.listdir(tmp_path / "tmp") == []


def test_where_decoding_starts_is_found_once(
    master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[FrameRange] = []

    def counted(*positional: Any, **named: Any) -> Cut:
        asked.append(positional[3])
        return find_cut(*positional, **named)

    monkeypatch.setattr(encoding, "find_cut", counted)
    bench = Bench(master, Store(tmp_path))
    steps = bench.pipeline()
    first, second = (bench.encode(one, pipeline=steps) for one in RUNGS[:2])
    assert len(asked) == len(set(asked)) == len(first.plan.chunks) > 1
    alone = Bench(master, Store(tmp_path / "other")).encode(RUNGS[1])
    assert contents(second) == contents(alone)
