"""Downloads that break off go on where they were, or start over where that would be wrong."""

import json

import pytest
from fetching import FILE, SUM, broken, kept, weights
from web_server import DATE

from panda import PandaError
from panda.weights import Weights, download


def test_a_broken_download_goes_on_in_the_same_run(cache, web):
    web.cuts = [100_000, 200_000]
    weights(web).fetch()
    assert web.asked == [None, "bytes=100000-", "bytes=300000-"]
    assert web.sent == len(FILE)


@pytest.mark.parametrize("validators", [{"ETag": '"one"'}, {"Last-Modified": DATE}])
def test_an_interrupted_download_goes_on_in_the_next_run(cache, web, validators):
    web.validators = validators
    mine = broken(web, 400_000)
    assert not mine.cached
    mine.fetch()
    assert web.asked == ["bytes=400000-"]
    assert web.sent == len(FILE) - 400_000
    assert kept(cache) == ["toy.safetensors"]


def test_a_whole_download_is_not_asked_for_again(cache, web):
    """As after a power cut between the last byte and the conversion."""
    mine = broken(web, 400_000)
    (partial,) = (cache / "downloads").rglob("*.pkl")
    partial.write_bytes(FILE)
    mine.fetch()
    assert web.asked == []
    assert mine.cached


def test_an_interruption_while_converting_loses_nothing(cache, web, monkeypatch):
    mine = weights(web)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Weights, "_build", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        mine.fetch()
    assert not mine.cached
    mine.fetch()
    assert web.sent == len(FILE)


def test_another_size_behind_a_careless_server_is_noticed(cache, web):
    """No ETag in the 206 answer, and a longer file: as of a server that ignores If-Range."""
    mine = broken(web, 400_000)
    web.files["/net.pkl"], web.validators = FILE + b"tail", {"X-Old": '"one"'}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "TRIES", 1)
        with pytest.raises(PandaError, match="the file changed on the server meanwhile"):
            mine.fetch()
    assert kept(cache) == []


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_validator_it_starts_over(cache, web, validators):
    web.validators = validators
    broken(web, 400_000).fetch()
    assert web.asked == [None]
    assert web.sent == len(FILE)


def test_a_server_without_ranges_starts_over(cache, web):
    web.ranges = False
    broken(web, 400_000).fetch()
    assert web.asked == ["bytes=400000-"]
    assert web.sent == len(FILE)


def test_a_file_that_changed_between_tries_starts_over(cache, web):
    mine = broken(web, 400_000)
    web.validators = {"ETag": '"two"'}
    mine.fetch()
    assert web.sent == len(FILE)


def test_a_changed_file_behind_a_careless_server_is_noticed(cache, web):
    """A 206 answer with another ETag: the server did not look at If-Range."""
    mine = broken(web, 400_000)
    web.validators = {"ETag": '"two"', "X-Old": '"one"'}
    mine.fetch()
    assert web.asked == ["bytes=400000-", None]


def test_a_file_that_became_shorter_starts_over(cache, web):
    web.files["/net.pkl"] = FILE + b"tail" * 50_000
    mine = broken(web, len(FILE) + 10)
    web.files["/net.pkl"] = FILE
    mine.fetch()
    assert web.asked == [f"bytes={len(FILE) + 10}-", None]


def test_a_stalled_server_ends_in_a_sentence_and_can_be_resumed(cache, web):
    web.stall, web.cuts = 1.0, [1000, 1000, 0, 0, 0, 0]
    mine = weights(web)
    with pytest.raises(PandaError, match=r"nothing came for 0.9 seconds; 2000 bytes are kept"):
        mine.fetch()
    mine.fetch()
    assert web.asked[-1] == "bytes=2000-"


def test_a_server_that_breaks_off_every_time_ends_in_a_sentence(cache, web):
    web.cuts = [40] + [0] * 9
    with pytest.raises(PandaError, match="40 of 676505 bytes came; 40 bytes are kept"):
        weights(web).fetch()
    assert len(web.asked) == 5


def test_a_server_that_starts_over_and_breaks_off_every_time_ends_in_a_sentence(cache, web):
    web.ranges, web.cuts = False, [40] * 99
    with pytest.raises(PandaError, match="40 of 676505 bytes came"):
        weights(web).fetch()
    assert len(web.asked) == 5


def test_breaks_do_not_count_while_bytes_come(cache, web):
    web.cuts = [50_000] * 12
    weights(web).fetch()
    assert web.sent == len(FILE)


def test_a_range_of_thousands_of_digits_starts_over(cache, web):
    mine = broken(web, 400_000)
    web.total = "9" * 5000
    mine.fetch()
    assert web.asked == ["bytes=400000-", None]


@pytest.mark.parametrize("validator", ['"one"\r\nHost: elsewhere', '"\u4e00"'])
def test_notes_that_no_request_can_carry_start_over(cache, web, validator):
    mine = broken(web, 400_000)
    (notes,) = (cache / "downloads").rglob("*.json")
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"validator": validator}))
    mine.fetch()
    assert web.asked == [None]


def test_what_follows_the_end_of_the_file_is_not_taken(cache, web):
    """A 206 answer tells the size in its Content-Range, and need not have a Content-Length."""
    mine = broken(web, 400_000)
    web.junk = b"!" * 5000
    mine.fetch()
    (notes,) = (cache / "downloads").rglob("*.json")
    assert json.loads(notes.read_text())["sha256"] == SUM


def test_a_refusal_keeps_what_came_before(cache, web):
    mine = broken(web, 400_000)
    web.status = 500
    with pytest.raises(PandaError, match="answered 500"):
        mine.fetch()
    web.status = 200
    mine.fetch()
    assert web.sent == len(FILE) - 400_000


def test_redirects_are_followed_and_resumed(cache, web):
    web.redirects = {"/a": "/b", "/b": f"{web.address}/net.pkl"}
    broken(web, 400_000, path="/a").fetch()
    assert web.asked == ["bytes=400000-"]


def test_what_killed_processes_left_half_done_is_removed(cache, web):
    (downloads,) = broken(web, 400_000) and (cache / "downloads").iterdir()
    left = [
        cache / ".fetch.panda-killed00",
        cache / "generators" / ".toy.safetensors.panda-killed00",
        downloads / ".n.json.panda-killed00",
    ]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "half").touch()
    weights(web).fetch()
    assert not any(folder.exists() for folder in left)
    assert web.asked == ["bytes=400000-"]


def test_a_full_disk_says_what_is_kept(cache, web):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(PandaError, match=r"cannot write .*net\.pkl: .*; 300000 bytes are kept"):
            weights(web).fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    weights(web).fetch()
    assert web.asked == [None, "bytes=300000-"]
