"""Whatever is wrong, a person is told what, where, why and what next; nothing is left half-made."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from encoder.errors import ExitCode
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from samples.generate import generate

pytestmark = pytest.mark.slow

# From <linux/prctl.h> and <linux/capability.h>.
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def ingest(
    master: Path,
    output: Path,
    *argv: str,
    cache: Path,
    before: Callable[[], None] | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "encoder",
            "ingest",
            "-o",
            str(output),
            "--effort",
            "quick",
            *argv,
            "--",
            str(master),
        ],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env={**os.environ, "ENCODER_CACHE": str(cache), **environment},
        stdin=subprocess.DEVNULL,
        check=False,
        preexec_fn=before,
    )


def sound_only(folder: Path) -> Path:
    run(locate(), ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", "sound.mp4"], folder=folder)
    return folder / "sound.mp4"


def still(folder: Path) -> Path:
    run(
        locate(),
        ["-f", "lavfi", "-i", "testsrc=d=0.04", "-frames:v", "1", "-f", "image2", "still.png"],
        folder=folder,
    )
    return (folder / "still.png").rename(folder / "still.mp4")


def cut_short(folder: Path) -> Path:
    whole = generate(["aerial"])["aerial"].read_bytes()
    path = folder / "cut.mp4"
    # The index of this sample lies at its end.
    path.write_bytes(whole[: len(whole) * 6 // 10])
    return path


def text(content: str, name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_text(content)
        return path

    return make


def no_frames(folder: Path) -> Path:
    run(
        locate(),
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc=d=1",
            "-c:v",
            "libx264",
            "-f",
            "mp4",
            "-frames:v",
            "0",
            "none.mp4",
        ],
        folder=folder,
    )
    return folder / "none.mp4"


MASTERS: dict[str, tuple[Callable[[Path], Path], ExitCode]] = {
    "missing": (lambda folder: folder / "no.mov", ExitCode.MASTER),
    "folder": (lambda folder: folder, ExitCode.MASTER),
    "empty": (text("", "empty.mov"), ExitCode.MASTER),
    "text": (text("Dear diary,\n" * 100, "diary.mp4"), ExitCode.MASTER),
    "cut short": (cut_short, ExitCode.MASTER),
    "sound only": (sound_only, ExitCode.MASTER),
    "no frames": (no_frames, ExitCode.MASTER),
    "still": (still, ExitCode.MASTER),
    "playlist": (
        text("#EXTM3U\n#EXTINF:6,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "list.mp4"),
        ExitCode.MASTER,
    ),
    "concat script": (
        text("ffconcat version 1.0\nfile /etc/passwd\n", "script.mov"),
        ExitCode.MASTER,
    ),
}


@pytest.mark.parametrize("name", MASTERS)
def test_a_bad_master(name: str, tmp_path: Path) -> None:
    make, code = MASTERS[name]
    source, cache = tmp_path / "in", tmp_path / "cache"
    source.mkdir()
    master = make(source)
    before = sorted(source.iterdir())
    done = ingest(master, tmp_path / "out", cache=cache)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("encoder: ")
    assert str(master) in said
    assert len(said) > len(str(master)) + 40  # why, and what next
    assert "Traceback" not in done.stderr
    assert sorted(source.iterdir()) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "cache"}
    assert not list((cache / "tmp").iterdir())


def test_an_address_is_no_master(tmp_path: Path) -> None:
    done = ingest(Path("http://127.0.0.1:9/a.mp4"), tmp_path / "out", cache=tmp_path / "c")
    assert done.returncode == ExitCode.MASTER


def give_up_reading_everything() -> None:
    """Leaves a process of root's the permissions of any other, and its user who he is.

    Another user could not be counted on to reach the interpreter, which may lie in root's home.

    Raises:
        OSError: where the system does not let go of capabilities.
    """
    library = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], None] | None:
    """What a process must do before it starts so that it may not read what nobody may."""
    before = give_up_reading_everything if os.geteuid() == 0 else None
    closed = tmp_path / "closed"
    closed.touch(0)
    argv = [sys.executable, "-c", "import sys; open(sys.argv[1])", str(closed)]
    try:
        tried = subprocess.run(argv, stderr=subprocess.PIPE, check=False, preexec_fn=before)
    except (AttributeError, subprocess.SubprocessError) as error:
        pytest.skip(f"root cannot give up its right to read everything: {error}")
    closed.unlink()
    assert b"PermissionError" in tried.stderr
    return before


def refusal(done: subprocess.CompletedProcess[str], code: ExitCode) -> str:
    """The paragraph in which a verb refused, and nothing else."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("encoder: ")
    return said


def test_an_unreadable_master(tmp_path: Path, unprivileged: Callable[[], None] | None) -> None:
    source, cache = tmp_path / "in", tmp_path / "cache"
    source.mkdir()
    master = source / "master.mov"
    shutil.copyfile(generate(["phone"])["phone"], master)
    master.chmod(0)
    done = ingest(master, tmp_path / "out", cache=cache, before=unprivileged)
    said = refusal(done, ExitCode.MASTER)
    assert str(master) in said
    assert "denies permission" in said
    assert "chmod" in said
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "cache"}


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("score", "{master}", "{file}"), ExitCode.MASTER),
        (("score", "{master}", "{folder}"), ExitCode.MASTER),
        (("package", "{folder}", "-o", "{out}"), ExitCode.PACKAGE),
        (("encode", "{master}", "--ladder", "{file}", "-o", "{out}"), ExitCode.USAGE),
        (("verify", "{folder}"), ExitCode.MASTER),
        (("compare", "{folder}", "{file}"), ExitCode.MASTER),
        (("compare", "{file}", "{folder}"), ExitCode.MASTER),
        (("ingest", "{master}", "--policy", "{file}", "-o", "{out}"), ExitCode.USAGE),
    ],
)
def test_other_unreadable_input(
    argv: tuple[str, ...],
    code: ExitCode,
    tmp_path: Path,
    unprivileged: Callable[[], None] | None,
) -> None:
    file, folder = tmp_path / "closed.json", tmp_path / "closed"
    file.write_text("{}")
    file.chmod(0)
    folder.mkdir(mode=0)
    names = {"file": file, "folder": folder, "out": tmp_path / "out"}
    names["master"] = generate(["phone"])["phone"]
    done = subprocess.run(
        [sys.executable, "-m", "encoder", *(one.format(**names) for one in argv)],
        capture_output=True,
        text=True,
        env={**os.environ, "ENCODER_CACHE": str(tmp_path / "cache")},
        stdin=subprocess.DEVNULL,
        check=False,
        preexec_fn=unprivileged,
    )
    folder.chmod(0o700)
    said = refusal(done, code)
    assert "ermission" in said
    assert str(tmp_path / "closed") in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", [".", "phone.mov", "phone.mov/out"])
def test_the_output_may_not_hold_the_input(where: str, tmp_path: Path) -> None:
    master = tmp_path / "phone.mov"
    shutil.copyfile(generate(["phone"])["phone"], master)
    content = master.read_bytes()
    done = ingest(master, tmp_path / where, cache=tmp_path.parent / "c")
    assert done.returncode == ExitCode.USAGE
    assert master.read_bytes() == content


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    done = ingest(generate(["phone"])["phone"], Path("/proc/out"), cache=tmp_path / "cache")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "cannot be written" in done.stderr


def test_an_ffmpeg_without_libvmaf_is_refused_before_the_work(tmp_path: Path) -> None:
    real = locate().path
    fake = tmp_path / "ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *-filters*) "{real}" "$@" | grep -v libvmaf;; '
        f'*) exec "{real}" "$@";; esac\n'
    )
    fake.chmod(0o755)
    cache = tmp_path / "cache"
    done = ingest(
        generate(["phone"])["phone"], tmp_path / "out", "--ffmpeg", str(fake), cache=cache
    )
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "libvmaf" in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (cache / "analyze").exists()


HOSTILE = (
    "a b.mov",
    'it\'s "quoted".mov',
    "-i.mov",
    "100%d %05d.mov",
    "c:d,e;f=[g].mov",
    "new\nline.mov",
    "ünïcödé 名前.mov",
    "back\\slash.mov",
    "http:__x.mov",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_work_in_every_stage(name: str, tmp_path: Path, shared_cache: Path) -> None:
    master = tmp_path / name
    shutil.copyfile(generate(["phone"])["phone"], master)
    output = tmp_path / f"out {name}"
    done = ingest(master, output, "--score", "sampled", cache=shared_cache)
    assert done.returncode == 0, done.stderr
    assert (output / "master.m3u8").is_file()


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content is the same under every name, so that each step is paid for once.

    One name is therefore run with a cache of its own, below.
    """
    return tmp_path_factory.mktemp("cache")


def test_a_hostile_name_with_nothing_cached(tmp_path: Path) -> None:
    test_hostile_names_work_in_every_stage(
        "-a 'b' %d:[c],d;\n名.mov", tmp_path, tmp_path / "cache '%d' [x]"
    )


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk"
)
@pytest.mark.parametrize("full", ["output", "cache"])
def test_a_full_disk(full: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        output = disk / "out" if full == "output" else tmp_path / "out"
        cache = disk / "cache" if full == "cache" else tmp_path / "cache"
        done = ingest(generate(["phone"])["phone"], output, "--score", "none", cache=cache)
        assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
        assert "Traceback" not in done.stderr
        assert "room" in done.stderr or "full" in done.stderr or "space" in done.stderr
        assert not output.exists()
        assert not [p for p in output.parent.iterdir() if p.name.startswith(".out")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
