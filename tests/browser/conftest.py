"""A package to play, and the players to play it with.

The packages are those that `encoder ingest` makes of two sample masters; the environment variable
ENCODER_BROWSER_PACKAGE (folders, separated as in PATH) names others to play instead. What is broken
on purpose is a small package made by FFmpeg alone.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from encoder.engine.keys import read_keys
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.media.package import BYTE_RANGES, Layout, Packaging
from encoder.media.protection import ContentKey, Protection
from encoder.media.renditions import TextRendition
from encoder.package.package import package
from samples.generate import generate
from tests.package.media import make_audio, make_set, make_video

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GIVEN = tuple(p for p in os.environ.get("ENCODER_BROWSER_PACKAGE", "").split(os.pathsep) if p)

# Short shots with one audio track; 29.97 frames a second with surround sound.
INGESTED = ("cartoon", "dissolves")
# How well they are encoded does not matter to a player.
QUICKLY = ("--effort", "instant", "--preset", "veryfast", "--score", "sampled")

CLEAR_KEYS = (
    ContentKey(bytes(range(16)), bytes(range(16, 32)), ("sd",)),
    ContentKey(bytes(range(32, 48)), bytes(range(48, 64)), ("audio",)),
)

SECONDS = 6
SHORT_SECONDS = 1.5
FRAME_RATE = 30
GOP = 2 * FRAME_RATE


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Parallel test workers share one node_modules; only one of them may fill it."""
    import fcntl

    with (HERE / "package.json").open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _locked_versions(lock: Path) -> dict[str, str]:
    if not lock.exists():
        return {}
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {name: entry["version"] for name, entry in packages.items() if name}


def _install_players() -> str:
    """Install the locked players unless they are there; the reason why not, or an empty string."""
    with _one_at_a_time():
        wanted = _locked_versions(HERE / "package-lock.json")
        if wanted == _locked_versions(HERE / "node_modules" / ".package-lock.json"):
            return ""
        npm = shutil.which("npm")
        if npm is None:
            return "npm is not installed"
        done = subprocess.run(
            [npm, "ci"],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return f"npm ci failed: {done.stderr.strip()[-500:]}" if done.returncode else ""


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, once all that ``play.mjs`` needs is there; else the test is skipped."""
    chosen = os.environ.get("ENCODER_CHROMIUM")
    if not any(shutil.which(name) for name in ((chosen,) if chosen else BROWSERS)):
        pytest.skip("Chromium is not installed")
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    reason = _install_players()
    if reason:
        pytest.skip(reason)
    return program


def _make_package(folder: Path, seconds: float) -> Path:
    """Two rungs and stereo audio in one file each, with both manifests, made by FFmpeg alone."""
    folder.mkdir()
    picture = f"testsrc2=s=640x360:r={FRAME_RATE}:d={seconds}"
    sound = f"sine=f=440:r=48000:d={seconds}"
    arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    arguments += ["-map", "0:v", "-map", "0:v", "-map", "1:a"]
    arguments += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    arguments += ["-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0"]
    arguments += ["-b:v:0", "800k", "-b:v:1", "300k", "-filter:v:1", "scale=320:180"]
    arguments += ["-c:a", "aac", "-ac", "2", "-b:a", "96k"]
    arguments += ["-f", "dash", "-seg_duration", "2", "-single_file", "1", "-hls_playlist", "1"]
    arguments += ["-use_template", "0", "-use_timeline", "0"]
    arguments += ["-adaptation_sets", "id=0,streams=v id=1,streams=a", "manifest.mpd"]
    run(locate(), arguments, folder=folder, log_level="level+error")
    for path in folder.glob("*.m3u8"):
        # The dates that FFmpeg gives may differ by decades between playlists of one package: a gap
        # at the start, to Shaka Player.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("#EXT-X-PROGRAM-DATE-TIME")]
        path.write_text("".join(kept), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of some segments, made by FFmpeg alone."""
    return _make_package(tmp_path_factory.mktemp("browser") / "package", SECONDS)


@pytest.fixture(scope="session")
def short_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a single segment, made by FFmpeg alone."""
    return _make_package(tmp_path_factory.mktemp("browser") / "package", SHORT_SECONDS)


@pytest.fixture(scope="session")
def files_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with files for segments, one longer than the other, and hashes in names."""
    ffmpeg, folder = locate(), tmp_path_factory.mktemp("files")
    rungs = [
        make_video(ffmpeg, folder / f"{height}p.mp4", (height * 16 // 9, height), crf=crf)
        for height, crf in ((180, 24), (90, 32))
    ]
    sound = make_audio(
        ffmpeg, folder / "sound.mp4", language="en", name="English", source=0, default=True
    )
    into = folder / "package"
    into.mkdir()
    layout = Layout("files", "hash")
    # No boundary just behind where is sought: see the README.
    package(
        ffmpeg,
        make_set(rungs, [sound]),
        into,
        Packaging(segment_seconds=Fraction(5), layout=layout),
    )
    return into


@pytest.fixture(scope="session")
def protected_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that is encrypted with ``cbcs`` and CLEAR_KEYS."""
    return _make_protected(tmp_path_factory.mktemp("protected"), Protection("cbcs", CLEAR_KEYS))


@dataclass
class Licences:
    """Who hands out CLEAR_KEYS at ``address``, and the identifiers that were asked for there."""

    address: str = ""
    asked: set[str] = field(default_factory=set)

    def answer(self, body: bytes) -> bytes:
        """A licence for a request (W3C Encrypted Media Extensions 9.1.3 and 9.1.4)."""
        keys = {_base64(one.kid): _base64(one.key) for one in CLEAR_KEYS}
        kids = json.loads(body)["kids"]
        self.asked.update(kids)
        found = [{"kty": "oct", "kid": kid, "k": keys[kid]} for kid in kids]
        return json.dumps({"keys": found, "type": "temporary"}).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture
def licences() -> Iterator[Licences]:
    """A licence server, on another origin than the package."""
    found = Licences()

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(found.answer(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}/keys?for=everybody&1"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def licensed_package(licences: Licences, tmp_path: Path) -> Path:
    """A package that is encrypted with CLEAR_KEYS, and says where licences are."""
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    keys = [
        {"kid": one.kid.hex(), "key": one.key.hex(), "for": list(one.classes)} for one in CLEAR_KEYS
    ]
    file = tmp_path / "keys.yaml"
    file.write_text(json.dumps({"licenses": {"clearkey": licences.address}, "keys": keys}))
    return _make_protected(tmp_path, read_keys(file))


@pytest.fixture(scope="session")
def lead_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of which the first segment is clear."""
    protection = Protection("cbcs", CLEAR_KEYS, clear_lead=Fraction(1))
    return _make_protected(tmp_path_factory.mktemp("lead"), protection)


def _make_protected(folder: Path, protection: Protection, layout: Layout = BYTE_RANGES) -> Path:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    ffmpeg = locate()
    rungs = [
        make_video(ffmpeg, folder / "180p.mp4", (320, 180), crf=30),
        make_video(ffmpeg, folder / "av1-90p.mp4", (160, 90), codec="av1", crf=45),
    ]
    sound = make_audio(
        ffmpeg, folder / "sound.mp4", language="en", name="English", source=0, default=True
    )
    into = folder / "package"
    into.mkdir()
    seconds = Fraction(4)
    package(
        *(ffmpeg, make_set(rungs, [sound]), into),
        Packaging(segment_seconds=seconds, layout=layout, protection=protection),
    )
    return into


@pytest.fixture(scope="session")
def whole_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package for HLS alone, whose segments are encrypted whole; with the key, as if beside it
    there were who hands it out."""
    key = ContentKey(bytes(range(16)), bytes(range(16, 32)), address="/package/the.key")
    folder = tmp_path_factory.mktemp("whole")
    into = _make_protected(folder, Protection("aes-128", (key,)), Layout("files"))
    (into / "the.key").write_bytes(key.key)
    return into


CUES = (("0.500", "1.500", "First words"), ("2.000", "3.800", "Last words"))


@pytest.fixture(scope="session")
def codecs_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of 96 frames in H.264 and in AV1, with subtitles."""
    ffmpeg, folder = locate(), tmp_path_factory.mktemp("codecs")
    rungs = [
        make_video(
            *(ffmpeg, folder / f"{codec}-{height}p.mp4", (height * 16 // 9, height)),
            codec=codec,
            crf=crf,
            frames=96,
            keyframes=(0, 48),
        )
        for codec, height, crf in (("h264", 180, 24), ("av1", 180, 40), ("av1", 90, 40))
    ]
    sound = make_audio(
        *(ffmpeg, folder / "sound.mp4"),
        language="en",
        name="English",
        source=0,
        default=True,
        duration=96 / rungs[0].frame_rate,
    )
    words = folder / "words.vtt"
    cues = [f"00:00:0{start} --> 00:00:0{end}\n{text}\n" for start, end, text in CUES]
    words.write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8")
    text = TextRendition("en", "en", "English", False, ("subtitle",), len(CUES), "webvtt", words)
    into = folder / "package"
    into.mkdir()
    package(ffmpeg, replace(make_set(rungs, [sound], frames=96), text=(text,)), into)
    return into


@pytest.fixture(scope="session", params=GIVEN or INGESTED)
def package_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each package that must play without a fault: given ones, or those of sample masters."""
    if GIVEN:
        return Path(str(request.param)).resolve(strict=True)
    name = str(request.param)
    folder = tmp_path_factory.mktemp(name)
    argv = ["ingest", str(generate([name])[name]), "-o", str(folder / "out")]
    subprocess.run(
        [sys.executable, "-m", "encoder", *argv, *QUICKLY],
        stdin=subprocess.DEVNULL,
        check=True,
        env={**os.environ, "ENCODER_CACHE": str(folder / "cache")},
    )
    return folder / "out"
