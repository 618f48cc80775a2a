"""Manifests, word for word: what they list, what is refused, and which path an error names."""

import hashlib
import json

import pytest

from panda import PandaError
from panda.errors import DiskError
from panda.files.in_place import no_link, no_links
from panda.files.ownership import MANIFEST, check_files, check_folder, replacing, updating


def said(call, *arguments):
    with pytest.raises(PandaError) as error:
        call(*arguments)
    return str(error.value)


def write(folder, *names, earlier=lambda folder: False):
    with replacing(folder, "results", earlier) as work:
        for name in names:
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(name)


def test_a_manifest_lists_each_file_with_its_digest(tmp_path):
    write(tmp_path / "out", "b.txt", "a/c.txt")
    text = (tmp_path / "out" / MANIFEST).read_text()
    files = {name: [hashlib.sha256(name.encode()).hexdigest()] for name in ("a/c.txt", "b.txt")}
    assert json.loads(text) == {"what": "results", "files": files}
    assert text.index("a/c.txt") < text.index("b.txt")
    assert text.startswith('{\n "what": "results",\n') and text.endswith("}\n")


def test_pages_are_listed_as_they_are_now_and_all_others_stay_listed(tmp_path):
    for names in ("ab", "bc"):
        with updating(tmp_path, "pages") as work:
            assert list(work.iterdir()) == []
            for name in names:
                (work / name).write_text(names)
    files = json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert files == {
        name: [hashlib.sha256(text).hexdigest()]
        for name, text in (("a", b"ab"), ("b", b"bc"), ("c", b"bc"))
    }


def test_earlier_results_without_a_manifest_are_known_by_their_content(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old.txt").touch()
    asked = []

    def earlier(path):
        asked.append(path)
        return (path / "old.txt").exists()

    check_folder(folder, "results", earlier)
    assert asked == [folder]
    write(folder, "new.txt", earlier=earlier)
    assert not (folder / "old.txt").exists() and (folder / "new.txt").exists()
    (folder / MANIFEST).unlink()
    assert said(check_folder, folder, "results", earlier) == (
        f"{folder} exists and holds no results; choose another folder"
    )


def test_three_files_of_the_users_are_named(tmp_path):
    folder = tmp_path / "out"
    write(folder, "x")
    for names, shown in (("a", "a"), ("bc", "a, b, c"), ("d", "a, b, c, ...")):
        for name in names:
            (folder / name).touch()
        assert said(check_folder, folder, "results") == (
            f"{folder} holds what PandA did not write, or what has changed since ({shown}); move it"
            " away, or choose another folder"
        )


def test_sentences_about_folders_of_pages(tmp_path):
    write(tmp_path / "out", "x")
    assert said(check_files, tmp_path / "out", "pages", []) == (
        f"{tmp_path / 'out'} holds other results than pages; choose another folder"
    )
    assert said(check_files, tmp_path / "out" / "x", "pages", []) == (
        f"{tmp_path / 'out' / 'x'} is a file; name a folder for the results"
    )
    check_files(tmp_path / "new", "pages", ["a"])
    assert not (tmp_path / "new").exists()


def test_an_error_of_the_disk_names_the_page_where_it_was_to_be(tmp_path):
    with pytest.raises(DiskError) as error, updating(tmp_path / "out", "pages") as work:
        raise DiskError(f"cannot write {work}/a.html: No space left on device")
    assert str(error.value) == f"cannot write {tmp_path / 'out'}/a.html: No space left on device"
    assert not (tmp_path / "out").exists()


def test_a_link_anywhere_in_a_folder_is_named(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x").touch()
    no_links(tmp_path)
    assert no_link(inner / "x") == inner / "x"
    for link, place in ((inner / "file", inner / "x"), (tmp_path / "a" / "folder", inner)):
        link.symlink_to(place)
        sentence = (
            f"{link} is a link, and results are never written to what lies elsewhere; put a copy in"
            " its place, or choose another folder"
        )
        assert said(no_links, tmp_path) == said(no_link, link) == sentence
        link.unlink()
