"""What PandA wrote is replaced, and nothing else: a whole folder, or files in anybody's folder."""

import json
import os
from contextlib import suppress

import pytest

from panda import PandaError
from panda.files.ownership import (
    MANIFEST,
    check_files,
    check_folder,
    replacing,
    updating,
    withdraw,
)
from panda.files.writing import staging

REFUSED = "holds what PandA did not write, or what has changed since"


def write(folder, content="first", what="results"):
    with replacing(folder, what) as work:
        (work / "a.txt").write_text(content)
        (work / "inner").mkdir()
        (work / "inner" / "b.txt").write_text(content)


def update(folder, *names, content="first"):
    with updating(folder, "pages") as work:
        for name in names:
            (work / name).write_text(content)


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def out(tmp_path):
    write(tmp_path / "out")
    return tmp_path / "out"


def test_what_was_written_is_replaced(out):
    write(out, "second")
    assert (out / "inner" / "b.txt").read_text() == "second"
    assert list(out.parent.iterdir()) == [out]


def test_what_was_deleted_since_is_made_again(out):
    (out / "a.txt").unlink()
    write(out)
    assert (out / "a.txt").exists()


def add(out):
    (out / "notes.txt").write_text("mine")


def add_inside(out):
    (out / "inner" / "notes.txt").write_text("mine")


def add_hidden(out):
    (out / ".notes").write_text("mine")


def add_empty_folder(out):
    (out / "mine").mkdir()


def change(out):
    (out / "a.txt").write_text("retouched")


def change_keeping_time_and_size(out):
    times = (out / "a.txt").stat()
    (out / "a.txt").write_text("FIRST")
    os.utime(out / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))


def link(out):
    (out / "a.txt").rename(out.parent / "a.txt")
    (out / "a.txt").symlink_to(out.parent / "a.txt")


def link_to_folder(out):
    (out / "more").symlink_to(out.parent)


CHANGES = [
    add, add_inside, add_hidden, add_empty_folder, change, change_keeping_time_and_size, link,
    link_to_folder,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_with_anything_of_the_users_is_refused_before_and_after_the_work(out, change):
    change(out)
    before = everything(out)
    with pytest.raises(PandaError, match=rf"out {REFUSED} \(.*\); move it away"):
        check_folder(out, "results")
    with pytest.raises(PandaError, match=REFUSED):
        write(out, "second")
    assert everything(out) == before
    assert not list(out.parent.glob(".*"))


def test_what_comes_while_the_work_goes_on_stays(out):
    with pytest.raises(PandaError, match=REFUSED), replacing(out, "results") as work:
        (work / "a.txt").write_text("second")
        add(out)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "a.txt").read_text() == "first"


def test_what_comes_in_the_last_moment_stays(out):
    """After the first look at the earlier folder, and before it is gone for others."""
    seen = []

    def look(earlier):
        seen.append(earlier)
        if len(seen) == 1:
            add(out)
        elif (earlier / "notes.txt").exists():
            raise PandaError("kept")

    with pytest.raises(PandaError, match="kept"), staging(out, look) as work:
        work.mkdir()
    assert seen[0] == out
    assert len(seen) == 2
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "a.txt").read_text() == "first"


def test_results_of_another_kind_are_no_results_of_this_kind(out):
    with pytest.raises(PandaError, match="out exists and holds no factors; choose another folder"):
        write(out, what="factors")


def test_what_a_file_manager_leaves_is_no_file_of_the_users(out):
    (out / ".DS_Store").touch()
    write(out, "second")
    assert (out / "a.txt").read_text() == "second"


@pytest.mark.parametrize("content", ["", "[]", '{"what": "results"}', '{"what": 3, "files": 4}'])
def test_a_damaged_manifest_means_that_nothing_is_known(out, content):
    (out / MANIFEST).write_text(content)
    with pytest.raises(PandaError, match="holds no results"):
        write(out, "second")
    assert (out / "a.txt").read_text() == "first"


def test_files_of_the_users_beside_pages_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    update(tmp_path, "a.html", "b.html")
    update(tmp_path, "a.html", content="second")
    assert (tmp_path / "a.html").read_text() == "second"
    assert (tmp_path / "b.html").read_text() == "first"
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert list(json.loads((tmp_path / MANIFEST).read_text())["files"]) == ["a.html", "b.html"]


@pytest.mark.parametrize("when", ["never written", "changed", "a link", "a folder"])
def test_a_page_of_the_users_is_not_replaced(tmp_path, when):
    page = tmp_path / "out" / "a.html"
    (tmp_path / "mine").write_text("first")
    page.parent.mkdir()
    if when == "a link":
        update(page.parent, "a.html")
        page.unlink()
        page.symlink_to(tmp_path / "mine")
    elif when == "a folder":
        page.mkdir()
    else:
        if when == "changed":
            update(page.parent, "a.html", "b.html")
        page.write_text("mine")
    before = everything(tmp_path)
    for call in (lambda: check_files(page.parent, "pages", ["a.html", "b.html"]),
                 lambda: update(page.parent, "b.html", "a.html", content="second")):  # fmt: skip
        with pytest.raises(PandaError, match=rf"{REFUSED} \(a.html\)"):
            call()
    assert everything(tmp_path) == before


def test_pages_do_not_go_into_other_results(out):
    with pytest.raises(PandaError, match="holds other results than pages; choose another folder"):
        check_files(out, "pages", ["a.html"])
    with pytest.raises(PandaError, match="is a file; name a folder"):
        check_files(out / "a.txt", "pages", ["a.html"])


def test_pages_that_an_error_stops_change_nothing(tmp_path):
    update(tmp_path / "out", "a.html")
    before = everything(tmp_path)
    with suppress(RuntimeError), updating(tmp_path / "out", "pages") as work:
        (work / "a.html").write_text("second")
        raise RuntimeError
    with suppress(RuntimeError), updating(tmp_path / "new", "pages"):
        raise RuntimeError
    assert everything(tmp_path) == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("files", [["plan.json"], ["plan.json", ".lock"]])
def test_a_run_that_was_refused_leaves_nothing_that_was_not_there(tmp_path, files):
    (tmp_path / "out" / "rows" / "a").mkdir(parents=True)
    for name in files:
        (tmp_path / "out" / name).touch()
    withdraw(tmp_path / "out", ["plan.json", ".lock"], ["rows"], [tmp_path / "out"])
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_refused_leaves_the_results_that_were_there(tmp_path):
    (tmp_path / "out" / "rows" / "a").mkdir(parents=True)
    for name in ("plan.json", "rows/a/x"):
        (tmp_path / "out" / name).touch()
    withdraw(tmp_path / "out", ["plan.json", ".lock"], ["rows"], [tmp_path / "out"])
    assert (tmp_path / "out" / "plan.json").exists()
    assert (tmp_path / "out" / "rows" / "a" / "x").exists()
