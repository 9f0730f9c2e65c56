"""Key files: read strictly, generated for their owner alone, and never told in a message."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.engine.keys import (
    asked_keys,
    check_key_file,
    check_layout,
    generate_keys,
    kept_keys,
    key_file_of,
    read_keys,
)
from encoder.errors import MachineError, UsageError
from encoder.ffmpeg.locate import locate
from encoder.media.package import Layout
from encoder.media.protection import CLASSES
from tests.package.media import make_video

KID, KEY = "00112233445566778899aabbccddeeff", "deadbeefdeadbeefdeadbeefdeadbeef"
ONE = f'keys: [{{kid: "{KID}", key: "{KEY}"}}]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_generated_is_read_back_and_is_its_owners(tmp_path: Path) -> None:
    made = generate_keys()
    path = key_file_of(tmp_path / "out")
    assert path.parent == tmp_path
    check_key_file(path)
    with kept_keys(made, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path) == made
    assert [one.classes for one in made.keys] == [(name,) for name in CLASSES]
    assert len({one.key for one in made.keys} | {one.kid for one in made.keys}) == 8
    with pytest.raises(UsageError, match="keys already"):
        check_key_file(path)
    with pytest.raises(MachineError, match="cannot be written"), kept_keys(made, path):
        pass
    assert read_keys(path) == made


def test_keys_of_a_package_that_was_not_published_are_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "out.keys.yaml"
    with pytest.raises(RuntimeError), kept_keys(generate_keys(), path):
        raise RuntimeError
    assert not path.exists()


def test_keys_are_for_all_unless_said_otherwise(tmp_path: Path) -> None:
    found = read_keys(written(tmp_path, ONE))
    assert (found.scheme, found.systems) == ("cbcs", ("clearkey",))
    assert found.fitting(640, 360, 0) == found.fitting(0, 0, 2) == found.keys
    assert found.keys[0].key.hex() == KEY
    assert KEY not in repr(found)
    assert repr(found.keys[0].key) not in repr(found)
    dashed = f'{{"keys": [{{"kid": "00112233-4455-6677-8899-AABBCCDDEEFF", "key": "{KEY}"}}]}}'
    assert read_keys(written(tmp_path, dashed)) == found


def test_cenc_has_to_be_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"13\.11"):
        read_keys(written(tmp_path, "scheme: cenc\n" + ONE))
    asked = "scheme: cenc\nhls: sample-aes-ctr\n" + ONE
    assert read_keys(written(tmp_path, asked)).scheme == "cenc"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"keys: [{KEY}\n", "neither YAML nor JSON"),
        (f"a: b: {KEY}\n", "neither YAML nor JSON in line 1"),
        (KEY, "fields are not all of"),
        (ONE + f"extra: {KEY}\n", "fields are not all of"),
        ("scheme: cbc1\n" + ONE, "scheme is not of"),
        ("scheme: [cbcs]\n" + ONE, "scheme is not of"),
        ("systems: [fairplay]\n" + ONE, "systems is not of"),
        ("hls: sample-aes-ctr\n" + ONE, "hls is for cenc"),
        ("licenses: {fairplay: 'https://a'}\n" + ONE, "licenses is not addresses"),
        ("licenses: {clearkey: 'file:///a'}\n" + ONE, "address of clearkey in licenses"),
        ("licenses: [clearkey]\n" + ONE, "licenses is not addresses"),
        ("scheme: aes-128\n" + ONE, "every key has a uri if scheme is aes-128"),
        (ONE[:-3] + ', uri: "https://a/k"}]\n', "and none otherwise"),
        (ONE[:-3] + ', uri: "k.bin"}]\n', "uri of key 1 is neither"),
        ("scheme: aes-128\n" + ONE[:-3] + ", uri: '/a\"b'}]\n", "uri of key 1 is neither"),
        ("keys: []\n", "not a list of keys"),
        (f'keys: [{{kid: "{KID}", key: "{KEY[:-1]}"}}]\n', "key of key 1 is not 32"),
        (f'keys: [{{kid: 12345678901234567890123456789012, key: "{KEY}"}}]\n', "kid of key 1"),
        (f'keys: [{{kid: "{KID}", key: "{KEY}", for: [tv]}}]\n', "for of key 1 is not of"),
        (f'keys: [{{kid: "{KID}", key: "{KEY}", iv: 1}}]\n', "fields of key 1"),
        (ONE[:-2] + f', {{kid: "{KEY}", key: "{KEY}"}}]\n', "for the same class"),
        (
            f'keys: [{{kid: "{KID}", key: "{KEY}", for: [sd]}}, '
            f'{{kid: "{KID}", key: "{KEY}", for: [hd]}}]\n',
            "the same kid",
        ),
    ],
)
def test_what_is_wrong_is_said_without_a_key(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        read_keys(written(tmp_path, text))
    assert KEY[:-1] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("lead", ["0", "-1", "1/0", "soon", "601"])
def test_a_lead_is_a_time(tmp_path: Path, lead: str) -> None:
    with pytest.raises(UsageError, match="no time to leave clear"):
        asked_keys(str(written(tmp_path, ONE)), lead, tmp_path / "out")


def test_a_lead_is_for_what_is_encrypted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for what is encrypted"):
        asked_keys(None, "5", tmp_path / "out")
    assert asked_keys(None, None, tmp_path / "out") is None
    found = asked_keys(str(written(tmp_path, ONE)), "7.5", tmp_path / "out")
    assert found is not None
    assert found.protection.clear_lead == Fraction(15, 2)


def test_whole_segments_are_files_of_plain_names(tmp_path: Path) -> None:
    text = f'scheme: aes-128\nkeys: [{{kid: "{KID}", key: "{KEY}", uri: "https://a/k"}}]\n'
    found = read_keys(written(tmp_path, text))
    assert found.keys[0].address == "https://a/k"
    check_layout(found, Layout("files"))
    check_layout(read_keys(written(tmp_path, ONE)), Layout())
    for layout in (Layout(), Layout("files", "hash")):
        with pytest.raises(UsageError, match="where they are files"):
            check_layout(found, layout)
    with pytest.raises(UsageError, match="for Common Encryption"):
        check_layout(replace(found, clear_lead=Fraction(1)), Layout("files"))


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o400, False), (0o640, True)])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int, told: bool) -> None:
    path = written(tmp_path, ONE)
    path.chmod(mode)
    beside = key_file_of(tmp_path / "out")
    beside.hardlink_to(path)
    for asked in (str(path), "generate"):
        found = asked_keys(asked, None, tmp_path / "out")
        assert found is not None
        assert ("open to others than its owner (0640)" in found.warning) == told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(tmp_path / "none.yaml")


def test_generated_keys_are_nowhere_but_in_their_file(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    rung = make_video(locate(), tmp_path / "90p.mp4", (160, 90), crf=40).path
    events, cache = tmp_path / "events.ndjson", tmp_path / "cache"
    argv = [sys.executable, "-m", "encoder", "package", str(rung), "-o", str(tmp_path / "out")]
    argv += ["--protect", "generate", "-v", "--events", str(events)]

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            argv,
            env={**os.environ, "ENCODER_CACHE": str(cache)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    path = tmp_path / "out.keys.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in done.stderr.decode()
    places = [one for one in tmp_path.rglob("*") if one.is_file() and one != path]
    said = b"".join([done.stdout, done.stderr, *(one.read_bytes() for one in places)])
    assert b"encv" in said
    for key in read_keys(path).keys:
        assert key.key not in said
        assert key.key.hex().encode() not in said
    before = path.read_bytes()
    again = run()
    assert again.returncode == 2
    assert b"There are keys already" in again.stderr
    assert path.read_bytes() == before
    # Its owner opened it to others, and is told so where it is used.
    path.chmod(0o644)
    argv[argv.index("generate")] = str(path)
    told = run()
    assert told.returncode == 0
    assert b"open to others than its owner (0644): chmod 600" in told.stderr
