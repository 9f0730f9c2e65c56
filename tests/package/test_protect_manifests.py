"""Manifests of encrypted packages name their keys; those that are wrong about them are found."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from encoder.engine.keys import read_keys
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, Packaging
from encoder.media.protection import (
    PLAYREADY,
    WIDEVINE,
    Protection,
)
from encoder.media.renditions import RenditionSet
from encoder.package.package import package
from encoder.package.pssh import playready_object, widevine_data
from encoder.verify.verify import verify

from .media import make_video
from .sealed import CENC, MPD, PICTURES, SOUND

pytest.importorskip("cryptography", reason="what encrypts is an optional extra")


def test_manifests_name_the_keys_and_nothing_holds_them(sealed: Package) -> None:
    scheme = sealed.path.name[:4]
    root = ElementTree.parse(sealed.path / "manifest.mpd").getroot()
    found = {
        adaptation.attrib["contentType"]: {
            one.attrib["schemeIdUri"]: one for one in adaptation.iter(f"{MPD}ContentProtection")
        }
        for adaptation in root.iter(f"{MPD}AdaptationSet")
    }
    for kind, key in (("video", PICTURES), ("audio", SOUND)):
        general = found[kind]["urn:mpeg:dash:mp4protection:2011"]
        assert general.attrib["value"] == scheme
        assert general.attrib[f"{CENC}default_KID"].replace("-", "") == key.kid.hex()
        assert len(found[kind]) == 4
        boxed = {name for name, one in found[kind].items() if one.find(f"{CENC}pssh") is not None}
        assert boxed == {f"urn:uuid:{system}" for system in (WIDEVINE, PLAYREADY)}
    method = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}[scheme]
    for name in ("video/h264-90p.m3u8", "video/iframes/h264-90p.m3u8", "audio/en-2ch.m3u8"):
        lines = (sealed.path / name).read_text().splitlines()
        keys = [line for line in lines if line.startswith("#EXT-X-KEY:")]
        assert keys
        assert all(line.startswith(f"#EXT-X-KEY:METHOD={method},") for line in keys)
        key = SOUND if name.startswith("audio") else PICTURES
        assert (f'URI="skd://{key.kid.hex()}"' in "".join(keys)) == (scheme == "cbcs")
        master = (sealed.path / sealed.hls).read_text().splitlines()
        assert {line.replace("-KEY", "-SESSION-KEY", 1) for line in keys} <= set(master)
    for path in sealed.path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for one in (PICTURES.key, SOUND.key):
            assert one not in data
            assert one.hex().encode() not in data


def test_players_are_told_where_licences_are(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    file, into = tmp_path / "keys.yaml", tmp_path / "package"
    secret = f'{{kid: "{PICTURES.kid.hex()}", key: "{PICTURES.key.hex()}"}}'
    address = "https://keys.example/get?a=1&b=<2>"
    file.write_text(f"licenses: {{clearkey: '{address}'}}\nkeys: [{secret}]\n")
    into.mkdir()
    package(ffmpeg, small, into, Packaging(protection=read_keys(file)))
    root = ElementTree.parse(into / "manifest.mpd").getroot()
    told = [
        one for one in root.iter(f"{MPD}ContentProtection") if one.get("value") == "ClearKey1.0"
    ]
    assert len(told) == 2
    for one in told:
        laurl = one.find("{https://dashif.org/CPS}Laurl")
        assert laurl is not None
        assert (laurl.text, laurl.attrib) == (address, {"licenseType": "EME-1.0"})
        # dash.js would take it for something else.
        assert one.find(f"{CENC}pssh") is None
    assert not [one for one in verify(into).findings if one.severity == "must"]


def test_it_breaks_no_must(sealed: Package) -> None:
    broken = {one.rule for one in verify(sealed.path).findings if one.severity == "must"}
    # Apple's players want cbcs in HLS.
    assert broken == (set() if sealed.path.name.startswith("cbcs") else {"HLS 13.11"})


@pytest.mark.parametrize("sealed", ["cbcs"], indirect=True)
@pytest.mark.parametrize(
    ("rule", "name", "pattern", "new"),
    [
        ("CENC 11.2", "manifest.mpd", 'default_KID="0001', 'default_KID="ff01'),
        ("CENC 11.2", "manifest.mpd", 'value="cbcs"', 'value="cenc"'),
        ("CENC 11.2", "manifest.mpd", "dash:mp4protection", "dash:other"),
        ("CENC 11.2 pssh", "manifest.mpd", "<cenc:pssh>AAAA", "<cenc:pssh>AAAB"),
        ("CENC 11.2 pssh", "manifest.mpd", "<cenc:pssh>....", "<cenc:pssh>"),
        ("CENC 11.2 pssh", "manifest.mpd", "uuid:edef8ba9", "uuid:edef8ba8"),
        ("RFC 8216 4.3.2.4", "audio/en-2ch.m3u8", "#EXT-X-KEY:.*\n", ""),
        ("RFC 8216 4.3.2.4", "video/h264-90p.m3u8", "METHOD=[^\n]*", "METHOD=NONE"),
        ("HLS 13.11", "video/h264-90p.m3u8", "SAMPLE-AES", "SAMPLE-AES-CTR"),
        ("HLS 13.7", "video/h264-90p.mp4", "(?s)(tenc.{5})\x19", "\\1\x10"),
    ],
)
def test_manifests_that_are_wrong_about_keys_are_found(
    sealed: Package, tmp_path: Path, rule: str, name: str, pattern: str, new: str
) -> None:
    shutil.copytree(sealed.path, tmp_path / "changed")
    path = tmp_path / "changed" / name
    old = path.read_bytes()
    path.write_bytes(re.sub(pattern.encode("latin-1"), new.encode("latin-1"), old))
    assert path.read_bytes() != old
    assert rule in {one.rule for one in verify(tmp_path / "changed").findings}


def test_what_has_another_key_is_another_adaptation_set(
    ffmpeg: Ffmpeg, small: RenditionSet, tmp_path: Path
) -> None:
    large = make_video(ffmpeg, tmp_path / "h264-720p.mp4", (1280, 720), crf=50)
    keys = (replace(PICTURES, classes=("sd",)), replace(SOUND, classes=("hd", "audio")))
    into = tmp_path / "package"
    into.mkdir()
    both = replace(small, video=(large, *small.video))
    made = package(ffmpeg, both, into, Packaging(protection=Protection("cbcs", keys)))
    root = ElementTree.parse(made.path / "manifest.mpd").getroot()
    kids = [
        one.attrib[f"{CENC}default_KID"].replace("-", "")
        for one in root.iter(f"{MPD}ContentProtection")
        if one.attrib["schemeIdUri"].endswith("mp4protection:2011")
    ]
    assert kids == [SOUND.kid.hex(), PICTURES.kid.hex(), SOUND.kid.hex()]
    assert not [one for one in verify(made.path).findings if one.severity == "must"]


def test_systems_get_what_their_formats_say() -> None:
    kid = bytes(range(16))
    assert WIDEVINE.hex.startswith("edef8ba9")
    assert PLAYREADY.hex.startswith("9a04f079")
    # key_ids: field 2 of 16 bytes; protection_scheme: field 9, "cbcs" as a number.
    assert widevine_data("cbcs", kid) == b"\x12\x10" + kid + bytes.fromhex("48f3c6899b06")
    made = playready_object("cbcs", kid)
    assert int.from_bytes(made[:4], "little") == len(made)
    text = made[10:].decode("utf-16-le")
    assert 'ALGID="AESCBC" VALUE="AwIBAAUEBwYICQoLDA0ODw=="' in text
    ElementTree.fromstring(text)
