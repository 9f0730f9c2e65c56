"""FFmpeg is run to its end, or leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.errors import MachineError
from encoder.ffmpeg.locate import Ffmpeg, capabilities, locate
from encoder.ffmpeg.process import Cancellation, Patience, ProcessFailed, Progress, run, stream

FOREVER = ["-re", "-f", "lavfi", "-i", "testsrc=s=64x64", "-f", "null", "-"]


@pytest.fixture(scope="module")
def ffmpeg() -> Ffmpeg:
    return locate()


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(process: int) -> bool:
    for _ in range(200):
        if not alive(process):
            return True
        time.sleep(0.05)
    return False


def test_progress_and_usage(ffmpeg: Ffmpeg) -> None:
    seen: list[Progress] = []
    usage = run(
        ffmpeg,
        ["-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2", "-f", "null", "-"],
        on_progress=seen.append,
    )
    assert seen[-1].frame == 50
    assert seen[-1].time_us == 2_000_000
    assert usage.cpu_seconds > 0
    assert usage.peak_memory > 1_000_000


def test_a_failure_carries_the_reason(ffmpeg: Ffmpeg) -> None:
    with pytest.raises(ProcessFailed) as caught:
        run(ffmpeg, ["-i", "file:/no/such/file", "-f", "null", "-"])
    assert "No such file or directory" in caught.value.reason
    assert "[" not in caught.value.reason
    assert caught.value.describe_code().startswith("exit status")


def test_a_full_disk_is_told_apart(ffmpeg: Ffmpeg) -> None:
    with pytest.raises(MachineError, match="disk is full"):
        run(ffmpeg, ["-f", "lavfi", "-i", "testsrc=d=1", "-f", "rawvideo", "file:/dev/full"])


def test_what_is_no_program_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="could not be started"):
        run(Ffmpeg(tmp_path, "0", "test", "0"), ["-version"])


def test_leaving_a_stream_early_ends_the_process(ffmpeg: Ffmpeg) -> None:
    endless = ["-f", "lavfi", "-i", "testsrc=s=64x64", "-f", "rawvideo", "-"]
    with pytest.raises(ZeroDivisionError), stream(ffmpeg, endless) as running:
        assert len(running.stdout.read(100)) == 100
        process = running.group
        raise ZeroDivisionError
    assert wait_until_gone(process)


def test_cancelling_ends_a_process_of_another_thread(ffmpeg: Ffmpeg) -> None:
    cancellation = Cancellation()
    failures: list[ProcessFailed] = []

    def work() -> None:
        try:
            run(ffmpeg, FOREVER, cancellation=cancellation)
        except ProcessFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    cancellation.cancel()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert "SIGKILL" in failures[0].describe_code()
    with pytest.raises(ProcessFailed):
        run(ffmpeg, FOREVER, cancellation=cancellation)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_killed_tool(number: signal.Signals) -> None:
    code = (
        "import signal, sys\n"
        # A tool that is started in the background by a shell ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from encoder.ffmpeg.locate import locate\n"
        "from encoder.ffmpeg.process import stream\n"
        f"with stream(locate(), {['-re', *FOREVER[1:-3], '-f', 'rawvideo', '-']!r}) as running:\n"
        "    print(running.group, flush=True)\n"
        "    while running.stdout.read(4096): pass\n"
    )
    tool = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert tool.stdout is not None
    child = int(tool.stdout.readline())
    assert alive(child)
    os.kill(tool.pid, number)
    tool.wait()
    tool.stdout.close()
    assert wait_until_gone(child)


def test_capabilities_are_asked_of_the_binary(ffmpeg: Ffmpeg) -> None:
    able = capabilities(ffmpeg)
    assert able.loopback_decoders
    assert able.missing(encoders=("libx264", "no264"), filters=("libvmaf", "nomaf")) == [
        "encoder no264",
        "filter nomaf",
    ]


def test_locating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ffmpeg: Ffmpeg) -> None:
    link = tmp_path / "my ffmpeg"
    link.symlink_to(ffmpeg.path)
    assert locate(str(link)).version == ffmpeg.version
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate("my ffmpeg").path == link
    monkeypatch.setenv("ENCODER_FFMPEG", "my ffmpeg")
    assert locate().origin == "ENCODER_FFMPEG"
    with pytest.raises(MachineError, match="not found"):
        locate("no-such-program")


def stopped(folder: Path, ffmpeg: Ffmpeg, times: int) -> Ffmpeg:
    """An FFmpeg that stops in the middle so many times, as one that waits for a dead disk."""
    script, count = folder / "ffmpeg", folder / "count"
    count.write_text("")
    script.write_text(
        f'#!/bin/sh\necho >> "{count}"\n'
        f'[ $(wc -l < "{count}") -gt {times} ] || (sleep 0.5; kill -STOP $$) &\n'
        f'exec "{ffmpeg.path}" "$@"\n'
    )
    script.chmod(0o755)
    return replace(ffmpeg, path=script)


def test_a_process_that_stands_still_is_ended(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    endless = ["-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]
    with pytest.raises(ProcessFailed, match="no progress") as caught:
        run(stopped(tmp_path, ffmpeg, 9), endless, patience=Patience(0.8, 1.0))
    assert caught.value.stalled
    assert (tmp_path / "count").read_text() == "\n\n"


def test_a_process_that_stood_still_is_started_again(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    lines: list[str] = []
    told: list[int] = []

    def forget() -> None:
        told.append(len(lines))
        lines.clear()

    run(
        stopped(tmp_path, ffmpeg, 1),
        ["-re", "-f", "lavfi", "-i", "testsrc2=r=25:d=1.5", "-vf", "showinfo", "-f", "null", "-"],
        patience=Patience(0.8, 1.0),
        on_line=lambda line: lines.append(line) if " n: " in line else None,
        on_stall=forget,
        log_level="level+info",
    )
    (before,) = told
    assert 0 < before < 37
    assert len(lines) == 38


def test_what_a_script_starts_counts_as_its_work(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    # Busy for longer than patience lasts, without a picture that would be progress.
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\n"{ffmpeg.path}" "$@"\nexit $?\n')
    script.chmod(0o755)
    silent = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=50:d=8", "-vf", "gblur=40,select=0"]
    run(
        replace(ffmpeg, path=script),
        [*silent, "-threads", "1", "-filter_threads", "1", "-f", "null", "-"],
        patience=Patience(0.5, 1.0),
    )


def test_a_process_that_works_is_left_alone(ffmpeg: Ffmpeg) -> None:
    # Longer than patience lasts, in real time, with progress all along.
    slow = ["-re", "-f", "lavfi", "-i", "testsrc2=r=50:d=3", "-f", "null", "-"]
    assert run(ffmpeg, slow, patience=Patience(2.0, 3.0)).wall_seconds > 2
