"""What the preview serves, to whom, and what it does not."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoder.cli.main import run
from encoder.errors import MachineError, MasterError, PackageError
from encoder.media.protection import ContentKey
from encoder.preview.data import Shown, curve, read_shown
from encoder.preview.files import asked_range, find_file
from encoder.preview.server import PreviewServer, Site, licensed

MEDIA = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Something like a package, with a secret beside it."""
    made = tmp_path / "out"
    (made / "video").mkdir(parents=True)
    (made / "master.m3u8").write_text("#EXTM3U\n")
    (made / "video" / "a b#1.mp4").write_bytes(MEDIA)
    (made / "video" / "key.bin").write_bytes(b"key")
    (tmp_path / "secret.json").write_text("{}")
    (made / "link.json").symlink_to(tmp_path / "secret.json")
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[PreviewServer]:
    def frame(number: int) -> bytes:
        if number:
            raise MasterError("The master is gone", where="m.mov")
        return b"\xff\xd8jpeg"

    shown = Shown(folder, {"title": "a"}, None, "", "", 10)
    with PreviewServer(Site(shown, frame)) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def get(
    server: PreviewServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_it_listens_on_the_loopback_alone(server: PreviewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_the_page_needs_nothing_from_elsewhere(server: PreviewServer) -> None:
    status, headers, page = get(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert b"http:" not in page
    assert b"https:" not in page
    for name, kind in (("preview.js", "text/javascript"), ("hls.min.js", "text/javascript")):
        status, headers, _ = get(server, f"/static/{name}")
        assert status == 200
        assert headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10200-", 10200, 10239),
        ("bytes=-5", 10235, 10239),
        ("bytes=5-99999", 5, 10239),
        ("BYTES=5-5", 5, 5),
    ],
)
def test_byte_ranges(server: PreviewServer, asked: str, first: int, last: int) -> None:
    status, headers, data = get(server, "/package/video/a%20b%231.mp4", Range=asked)
    assert status == 206
    assert headers["Content-Range"] == f"bytes {first}-{last}/10240"
    assert headers["Content-Type"] == "video/mp4"
    assert data == MEDIA[first : last + 1]


def test_whole_files_and_ranges_that_are_none(server: PreviewServer) -> None:
    path = "/package/video/a%20b%231.mp4"
    assert get(server, path)[2] == MEDIA
    assert get(server, path, Range="bytes=0-1,4-5")[2] == MEDIA
    assert get(server, path, Range="bytes=9-5")[2] == MEDIA
    assert get(server, path, Range="lines=0-1")[2] == MEDIA
    assert get(server, path, Range=f"bytes=0-{'9' * 5000}")[2] == MEDIA
    # What was there in part may have been of another version.
    assert get(server, path, Range="bytes=0-1", If_Range='"another"')[2] == MEDIA
    status, headers, _ = get(server, path, Range="bytes=10240-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10240")
    status, headers, data = get(server, path, "HEAD")
    assert (status, headers["Content-Length"], data) == (200, "10240", b"")
    assert get(server, path, "POST")[0] == 404
    assert get(server, path, "PUT")[0] == 501


@pytest.mark.parametrize("line", ["GET http://[x HTTP/1.1", "POST http://[x]y/ HTTP/1.1"])
@pytest.mark.parametrize("length", ["", "Content-Length: many\r\n"])
def test_what_is_no_address_is_answered(
    server: PreviewServer, capfd: pytest.CaptureFixture[str], line: str, length: str
) -> None:
    host = f"Host: 127.0.0.1:{server.server_port}\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as wire:
        wire.sendall(f"{line}\r\n{host}{length}Connection: close\r\n\r\n".encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 404 ")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "path",
    [
        "/package/../secret.json",
        "/package/%2e%2e/secret.json",
        "/package/video/..%2f..%2fsecret.json",
        "/package/%2fetc%2fhosts.json",
        "/package//etc/hosts",
        "/package/..%5csecret.json",
        "/package/%252e%252e/secret.json",
        "/package/link.json",
        "/package/video",
        "/package/video/",
        "/package/video/key.bin",
        "/package/%00.json",
        "/package/%ff%fe.json",
        "/static/../data.py",
        "/static/%2e%2e/server.py",
        "/frame/10.jpg",
        "/frame/-1.jpg",
        "/frame/1.jpg/..",
        "/nothing",
    ],
)
def test_nothing_else_is_served(server: PreviewServer, path: str) -> None:
    status, _, data = get(server, path)
    assert status == 404
    assert b"{}" not in data


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "[::1]:80"])
def test_other_names_of_this_machine_are_refused(server: PreviewServer, host: str) -> None:
    assert get(server, "/data.json", Host=host)[0] == 403
    assert get(server, "/data.json", Host=f"localhost:{server.server_port}")[0] == 200


def test_frames_of_the_master(server: PreviewServer) -> None:
    status, headers, data = get(server, "/frame/0.jpg")
    assert (status, headers["Content-Type"], data) == (200, "image/jpeg", b"\xff\xd8jpeg")
    status, _, data = get(server, "/frame/3.jpg")
    assert status == 422
    assert data == b"The master is gone: m.mov.\n"


def test_a_port_that_is_taken_is_told(server: PreviewServer) -> None:
    with pytest.raises(MachineError, match="--port"):
        PreviewServer(Site(Shown(Path(), {}, None, "", "", 0), lambda _: b""), server.server_port)


def test_curves_are_thinned_without_losing_the_worst() -> None:
    frames = 100_000
    values = np.full(frames, 90.0)
    values[77_777] = 3.0
    found = curve(np.arange(frames), values, frames)
    assert len(found["frame"]) <= 2400
    assert min(low for low in found["low"] if low is not None) == 3.0
    assert found["frame"][0] == 0
    few = curve(np.array([0, 5, 10]), np.array([1.0, 2.0, 3.0]), 12)
    assert few == {"frame": [0, 5, 10], "mean": [1.0, 2.0, 3.0], "low": [1.0, 2.0, 3.0]}


def test_what_is_no_package_is_refused(tmp_path: Path, folder: Path) -> None:
    for wrong in (tmp_path, tmp_path / "nothing", tmp_path / "secret.json"):
        with pytest.raises(PackageError, match="Not a package"):
            read_shown(wrong)
    assert read_shown(folder).document["renditions"] == []
    assert read_shown(folder / "master.m3u8").folder == folder
    (folder / "report.json").write_text(json.dumps({"conform": {"frames": "many"}}))
    with pytest.raises(PackageError, match="damaged"):
        read_shown(folder)


@pytest.mark.parametrize(
    ("declared", "rate"),
    [
        (["23.976"], [24000, 1001]),
        (["29.970"], [30000, 1001]),
        (["59.94"], [60000, 1001]),
        (["12.500", "25.000"], [25, 1]),
        (["35"], [35, 1]),
        (["0"], None),
        ([], None),
        (["many"], None),
    ],
)
def test_frames_are_counted_without_a_report(
    folder: Path, declared: list[str], rate: list[int] | None
) -> None:
    lines = [f'#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="a",FRAME-RATE={one}\na' for one in declared]
    (folder / "master.m3u8").write_text("\n".join(["#EXTM3U", *lines]))
    assert read_shown(folder).document["frame_rate"] == rate


def test_no_master_is_compared_without_a_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["preview", str(folder), "--master", str(folder), "--no-open"]) == 2
    assert "has no report" in capsys.readouterr().err


def test_names_and_ranges_by_themselves(folder: Path) -> None:
    found = find_file(folder, "video/a%20b%231.mp4")
    assert found == (folder.resolve() / "video" / "a b#1.mp4", "video/mp4")
    assert find_file(folder / "missing", "a.mp4") is None
    assert asked_range(None, 5) is None
    assert asked_range("bytes=-", 5) is None
    with pytest.raises(ValueError, match="no bytes"):
        asked_range("bytes=-0", 5)


KEY = ContentKey(bytes(range(16)), bytes(range(16, 32)))


def test_keys_are_for_who_has_the_address(folder: Path) -> None:
    site = licensed(Shown(folder, {}, None, "", "", 0), lambda _: b"", [KEY])
    assert site.token not in repr(site)
    assert str(site.licence) not in repr(site)
    with PreviewServer(site) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        address, _, token = made.url.partition("#")
        assert (address, token) == (f"http://127.0.0.1:{made.server_port}/", site.token)
        asked = {"Authorization": f"Bearer {token}"}
        status, headers, data = get(made, "/licence", "POST", **asked)
        assert (status, headers["Content-Type"]) == (200, "application/json")
        (one,) = json.loads(data)["keys"]
        assert [one[name] + "==" for name in ("kid", "k")] == [
            base64.urlsafe_b64encode(part).decode() for part in (KEY.kid, KEY.key)
        ]
        for method, path, more, expected in (
            ("POST", "/licence", {}, 403),
            ("POST", "/licence", {"Authorization": "Bearer no"}, 403),
            ("POST", "/licence", {**asked, "Host": "elsewhere.example"}, 403),
            ("POST", "/master.m3u8", asked, 404),
            ("GET", "/licence", asked, 404),
        ):
            status, _, data = get(made, path, method, **more)
            assert status == expected
            assert one["k"].encode() not in data
        assert token.encode() not in get(made, "/data.json")[2]
        made.shutdown()
        thread.join()


def test_without_keys_there_is_nothing_to_ask_for(server: PreviewServer) -> None:
    assert server.url.endswith("/")
    assert get(server, "/licence", "POST", Authorization="Bearer ")[0] == 404


def test_what_is_encrypted_says_which_keys_it_wants(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kid = base64.b64encode(KEY.kid).decode()
    tag = "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="
    fairplay = f'{tag}"skd://a",KEYFORMAT="com.apple.streamingkeydelivery"\n'
    clearkey = f'{tag}"data:text/plain;base64,{kid}",KEYFORMAT="org.w3.clearkey"\n'
    keys = tmp_path / "keys.yaml"
    keys.write_text(f'keys: [{{kid: "{"1" * 32}", key: "{"2" * 32}"}}]\n')
    for text, arguments, said in (
        (fairplay, [], "name no keys for ClearKey"),
        (fairplay + clearkey, [], "--protect KEYFILE"),
        (fairplay + clearkey, ["--protect", str(keys)], f"none for {KEY.kid.hex()}"),
    ):
        (folder / "master.m3u8").write_text(f"#EXTM3U\n{text}")
        assert run(["preview", str(folder), "--no-open", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert read_shown(folder).kids == (KEY.kid,)
