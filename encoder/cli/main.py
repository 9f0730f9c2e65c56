"""The entry point: finds the verb, and turns whatever happens into an exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from encoder import __version__
from encoder.errors import EncoderError, ExitCode

# Verb -> module that holds its `command`. A module is imported only when its verb is used, so that
# help and completion stay quick.
_VERBS = {
    "ingest": "encoder.cli.ingest",
    "probe": "encoder.cli.probe",
    "analyze": "encoder.cli.analyze",
    "ladder": "encoder.cli.ladder",
    "encode": "encoder.cli.encode",
    "package": "encoder.cli.package",
    "score": "encoder.cli.score",
    "compare": "encoder.cli.compare",
    "baseline": "encoder.cli.baseline",
    "cache": "encoder.cli.cache",
    "verify": "encoder.cli.verify",
    "preview": "encoder.cli.preview",
    "doctor": "encoder.cli.doctor",
}
_SUMMARIES = {
    "ingest": "Turn a master into a scored HLS and DASH package.",
    "probe": "Say what a master is.",
    "analyze": "Find the shots of a master and how hard they are to compress.",
    "ladder": "Decide the rungs for a master, and say why.",
    "encode": "Encode a ladder's renditions and the audio.",
    "package": "Package renditions as CMAF for HLS and DASH.",
    "score": "Score files or packages against their reference.",
    "compare": "Compare a run with its baseline, with gates.",
    "baseline": "Keep what clips measured, and check later runs against it.",
    "cache": "Look after the store of finished steps.",
    "verify": "Check a package, ours or not, against the rules for HLS, CMAF and DASH.",
    "preview": "Play a package in a browser, beside its master and its scores.",
    "doctor": "Say what this machine's FFmpeg can do for us.",
}


class Verbs(click.Group):
    """A group whose verbs are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _VERBS.get(cmd_name)
        if module is None:
            return None
        command = import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(_SUMMARIES.items()))


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="encoder")
def cli() -> None:
    """Turns a master video into a measured, per-title streaming package.

    \b
    The whole job:   encoder ingest master.mov -o out/
    Step by step:    probe, analyze, ladder, encode, package, score, verify

    Exit status: 0 done, 1 a gate failed, 2 usage, 3 environment, 4 master, 5 encode, 6 measurement,
    7 packaging, 70 a bug, 130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits with the code of the contract."""
    # NumPy's matrices are small here, and the threads that it would start for them wait by spinning
    # while FFmpeg wants the processors.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Runs the command line.

    Returns:
        The exit code.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character that the terminal's encoding lacks is escaped, as it is on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        outcome = cli.main(args=list(argv), prog_name="encoder", standalone_mode=False)
        sys.stdout.flush()
        return int(outcome) if isinstance(outcome, int) else ExitCode.OK
    except EncoderError as error:
        print(f"encoder: {error}", file=sys.stderr)
        return _failed(argv, error.exit_code, error.what, error.where, error.why, error.hint)
    except click.ClickException as error:
        error.show()
        return _failed(argv, ExitCode.USAGE, error.format_message().rstrip("."))
    except (click.Abort, KeyboardInterrupt):
        hint = "run the same command to go on"
        print(f"encoder: interrupted; {hint}", file=sys.stderr)
        return _failed(argv, ExitCode.INTERRUPTED, "Interrupted", hint=hint.capitalize())
    except BrokenPipeError:
        _forget_output()
        return ExitCode.OK
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _bug(argv)
        _forget_output()
        print("encoder: The disk is full. Free some space and run it again.", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    except Exception:
        return _bug(argv)


def _forget_output() -> None:
    """Whoever read our output has gone; Python would complain again when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _failed(
    argv: Sequence[str],
    code: ExitCode,
    what: str,
    where: str = "",
    why: str = "",
    hint: str = "",
) -> int:
    """Tells a program that asked for JSON what standard error tells a person."""
    if "--json" in argv:
        from encoder.report.plain import failure, json_text

        try:
            click.echo(json_text(failure(code, what, where, why, hint)).encode(), nl=False)
        except BrokenPipeError:
            _forget_output()
    return code


def _bug(argv: Sequence[str]) -> int:
    import platform
    import shlex
    import tempfile

    text = "\n".join(
        (
            f"encoder {__version__}, Python {platform.python_version()}, {platform.platform()}",
            shlex.join(argv),
            traceback.format_exc(),
        )
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="encoder-bug-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as log:
            log.write(text)
        where = f"what is needed to find it is in {log.name}"
    except OSError:
        where = text
    what = "a bug in encoder, not in your use of it"
    print(f"encoder: {what}; {where}", file=sys.stderr)
    return _failed(argv, ExitCode.BUG, what.capitalize(), why=where)


if __name__ == "__main__":
    main()
