"""The contract of the command line: exit codes, streams, no tracebacks, a quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from encoder.cli import main as entry
from encoder.cli.options import sidecars
from encoder.errors import EncodeError, ExitCode, MasterError, UsageError, printable
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run as run_ffmpeg

VERBS = (
    "ingest",
    "probe",
    "analyze",
    "ladder",
    "encode",
    "package",
    "score",
    "compare",
    "doctor",
)


def call(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "encoder", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_help_names_every_verb_and_exit_code() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(f"  {verb} " in done.stdout for verb in VERBS)
    assert "130 interrupted" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = call(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: encoder")
    assert "--json" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom encoder.cli.main import run\nrun(['--help'])\n"
        "print([m for m in ('numpy', 'av', 'rich', 'scipy', 'matplotlib', 'cattrs', 'yaml')"
        " if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_scoring_loads_nothing_that_encodes_packages_or_draws(tmp_path: Path) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25", "-frames:v", "10", "-c:v", "ffv1")
    run_ffmpeg(locate(), [*source, "clip.mkv"], folder=tmp_path)
    unwanted = (
        *("encoder.engine.pipeline", "encoder.encode", "encoder.package", "encoder.pictures"),
        *("encoder.analysis.analyze", "encoder.ladder.decide", "encoder.ladder.trials"),
        *("encoder.text", "scipy", "skimage", "matplotlib", "pyarrow", "http", "asyncio"),
    )
    code = (
        "import sys\nfrom encoder.cli.main import run\n"
        "said = run(['score', 'clip.mkv', 'clip.mkv', '-m', 'psnr', '-q'])\n"
        f"print(said, [m for m in {unwanted!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "ENCODER_CACHE": str(tmp_path / "store")},
    )
    assert done.stderr.strip() == "0 []"


@pytest.mark.parametrize(
    "argv",
    [
        ("nonsense",),
        ("probe",),
        ("ingest", "x.mov"),
        ("ingest", "x.mov", "-o", "out", "--effort", "huge"),
        ("ladder", "x.mov", "--policy", "no-such"),
        ("ladder", "x.mov", "--codec", "vp6"),
        ("ladder", "x.mov", "--preset", "warp"),
        ("ladder", "x.mov", "--plot", "plot.gif"),
        ("probe", "x.mov", "-q", "-v"),
        ("package", "x", "-o", "out", "--segment-seconds", "0"),
        ("package", "x", "-o", "out", "--segment-seconds", "six"),
    ],
)
def test_usage_errors_are_2(argv: tuple[str, ...], tmp_path: Path) -> None:
    done = call(*argv, ENCODER_CACHE=str(tmp_path))
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_master_is_4_and_machine_readable(tmp_path: Path) -> None:
    done = call("probe", str(tmp_path / "no.mov"), "--json", ENCODER_CACHE=str(tmp_path / "c"))
    assert done.returncode == ExitCode.MASTER
    error = json.loads(done.stdout)
    assert error["schema"] == "encoder.error/1"
    assert error["exit_code"] == 4
    assert "no.mov" in error["where"]
    assert error["hint"]


def test_another_ffmpeg_that_is_none_is_3(tmp_path: Path) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho hello\n")
    fake.chmod(0o755)
    for environment in ({"ENCODER_FFMPEG": str(fake)}, {"ENCODER_FFMPEG": "/no/such/ffmpeg"}):
        done = call("doctor", "--json", ENCODER_CACHE=str(tmp_path / "c"), **environment)
        assert done.returncode == ExitCode.ENVIRONMENT
        report = json.loads(done.stdout)
        assert report["ok"] is False
        assert any(f["name"] == "FFmpeg" and not f["ok"] for f in report["findings"])


def test_doctor_finds_all_that_the_main_job_needs(tmp_path: Path) -> None:
    done = call("doctor", "--json", ENCODER_CACHE=str(tmp_path))
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["schema"] == "encoder.doctor/1"
    names = {f["name"] for f in report["findings"] if f["ok"]}
    assert {"encoder libx264", "filter libvmaf", "loopback decoders"} <= names
    # The FFmpeg of the install has no encoder of HE-AAC, which is said and no fault.
    (he_aac,) = (one for one in report["findings"] if "libfdk_aac" in one["name"])
    assert (he_aac["ok"], he_aac["required"], he_aac["found"]) == (False, False, "no")


def test_a_bug_is_70_with_a_log_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(entry.cli, "main", fail)
    assert entry.run(["probe", "x"]) == ExitCode.BUG
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    log = Path(said.err.strip().rpartition(" ")[2])
    assert "ZeroDivisionError: oops" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (MasterError("bad"), ExitCode.MASTER),
        (EncodeError("bad"), ExitCode.ENCODE),
        (UsageError("bad"), ExitCode.USAGE),
    ],
)
def test_failures_have_their_codes(
    raised: BaseException,
    code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise raised

    monkeypatch.setattr(entry.cli, "main", fail)
    assert entry.run(["probe", "x"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("encoder: ")
    assert said.err.count("\n") == 1


def test_errors_are_one_paragraph_whatever_the_names() -> None:
    error = MasterError("It is odd", where="a\nb\x1b[31m.mov", why="because.", hint="Do better")
    assert str(error) == "It is odd: a\\nb\\x1b[31m.mov. because. Do better."
    assert printable("ä\t") == "ä\\t"


@pytest.mark.parametrize("said", ["en_US", "en-US-", "en-toolongforone", "", "x-klingon:sdh"])
def test_what_is_no_language_tag_is_refused(said: str) -> None:
    with pytest.raises(UsageError, match="--subtitles needs a language"):
        sidecars([(said, Path("film.srt"))])
    (kept,) = sidecars([("zh-hant-TW:sdh", Path("film.srt"))])
    assert (kept.language, kept.traits) == ("zh-Hant-TW", ("sdh",))
