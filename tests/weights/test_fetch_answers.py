"""What a web server may answer instead of the file: a sentence, and nothing is cached."""

import json
import shutil

import pytest
from fetching import FILE, SUM, kept, weights

from panda import PandaError
from panda.weights import Url, download


def test_a_busy_server_is_asked_again(cache, web):
    web.busy = [503, 429, 502]
    weights(web).fetch()
    assert web.sent == len(FILE)


def test_a_server_that_stays_busy_ends_in_a_sentence(cache, web):
    web.status = 503
    with pytest.raises(PandaError, match="fetched: it answered 503 Service Unavailable; get it"):
        weights(web).fetch()
    assert len(web.asked) == 4


def test_a_server_that_promises_too_much_ends_in_a_sentence(cache, web):
    web.claims = len(FILE) + 5
    with pytest.raises(PandaError, match="cannot be fetched: 676505 of 676510 bytes came"):
        weights(web).fetch()
    assert not weights(web).cached


def test_sizes_of_thousands_of_digits_are_no_sizes(cache, web):
    web.claims = "9" * 5000
    weights(web).fetch()
    assert weights(web).cached


def test_a_size_that_no_disk_holds_is_refused_before_a_byte_is_kept(cache, web):
    web.claims = 10**17
    with pytest.raises(PandaError, match=f"says that it has {10**17} bytes, expected at most"):
        weights(web).fetch()
    assert kept(cache) == []
    assert len(web.asked) == 1


def test_a_size_beyond_what_is_free_names_the_folder(cache, web, monkeypatch):
    usage = shutil.disk_usage(cache.parent)._replace(free=len(FILE) - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    said = rf"has {len(FILE)} bytes, expected at most {len(FILE) - 1}: no more fit into .*downloads"
    with pytest.raises(PandaError, match=said):
        weights(web).fetch()


def test_a_file_without_an_end_is_not_kept(cache, web, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", len(FILE) + 100)
    web.junk = bytes(3_000_000)
    with pytest.raises(PandaError, match="has no end, expected at most .*: no generator has more"):
        weights(web).fetch()
    assert kept(cache) == []


def test_the_password_of_a_proxy_stays_with_the_proxy(cache, web, monkeypatch):
    monkeypatch.setenv("http_proxy", web.address.replace("//", "//me:secret@"))
    web.redirects = {"http://weights.invalid/net.pkl": f"{web.address}/net.pkl"}
    source = Url({"net.pkl": "http://weights.invalid/net.pkl"})
    with source.fetch() as path:
        assert path.read_bytes() == FILE
    asked, answered = web.headers
    assert asked["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
    assert "secret" not in str(answered) and "Proxy-Authorization" not in answered


def test_a_server_that_promises_too_little_is_noticed_by_the_reader(cache, web):
    web.claims = len(FILE) - 1000
    with pytest.raises(PandaError, match="is not toy: "):
        weights(web).fetch()
    assert kept(cache) == []


def test_the_published_checksum_is_checked(cache, web):
    with pytest.raises(PandaError, match=r"expected 0{16}\.\.\., which was published"):
        weights(web, sha256="0" * 64).fetch()
    assert kept(cache) == []


def test_the_first_checksum_is_recorded_and_another_file_refused(cache, web):
    mine = weights(web)
    mine.fetch()
    (notes,) = (cache / "downloads").rglob("*.json")
    assert json.loads(notes.read_text())["sha256"] == SUM
    mine.path.unlink()
    mine.fetch()
    mine.path.unlink()
    web.files["/net.pkl"] = FILE[:-1] + b"!"
    for _ in range(2):
        with pytest.raises(PandaError, match=r"recorded when it was first fetched.*delete .*json"):
            mine.fetch()
    notes.unlink()
    web.files["/net.pkl"] = FILE
    mine.fetch()
    assert mine.cached


def test_a_file_that_is_refused_is_not_recorded(cache, web):
    web.files["/net.pkl"] = b"no checkpoint at all"
    with pytest.raises(PandaError, match=r"net\.pkl is not toy: bytes that begin with b'no check"):
        weights(web).fetch()
    web.files["/net.pkl"] = FILE
    weights(web).fetch()


PAGE = b"\n<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.mark.parametrize("before", [b"", b"\n<!-- saved -->"])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_refused_with_its_title(cache, web, kind, before):
    web.files["/net.pkl"], web.kind = before + PAGE, kind
    with pytest.raises(PandaError) as error:
        weights(web).fetch()
    assert "gave a web page ('Google Drive - Quota exceeded') instead of the file" in str(error)
    assert "panda fetch NAME --file COPY" in str(error.value)
    assert kept(cache) == []


@pytest.mark.parametrize("kind", ["204", "empty"])
def test_an_answer_without_a_file_points_to_the_browser(cache, web, kind):
    web.files["/net.pkl"] = b""
    web.busy = [204] if kind == "204" else []
    with pytest.raises(PandaError, match="gave nothing; get it with a browser"):
        weights(web).fetch()
    assert kept(cache) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "404 Not Found"), (403, "403 Forbidden"), (500, "500 Internal Server Error")],
)
def test_a_refusal_is_one_sentence(cache, web, status, said):
    web.status = status
    with pytest.raises(PandaError, match=rf"net\.pkl answered {said}; get it with a browser"):
        weights(web).fetch()
    assert len(web.asked) == 1


@pytest.mark.parametrize("target", ["/a", "file:///etc/passwd", "ftp://127.0.0.1/net.pkl"])
def test_redirects_in_circles_or_elsewhere_are_refused(cache, web, target):
    web.redirects = {"/a": target}
    with pytest.raises(PandaError, match="/a (answered 302|leads from http to ftp)"):
        weights(web, path="/a").fetch()


@pytest.mark.parametrize(
    "target", ["http://[", "http://a..b/x", f"http://{'a' * 300}/", "http://\xff\xfe/"]
)
def test_a_redirect_to_no_address_is_one_sentence(cache, web, target):
    web.redirects = {"/a": target}
    with pytest.raises(PandaError, match="/a (cannot be fetched: |leads from)"):
        weights(web, path="/a").fetch()


def test_an_endless_chain_of_redirects_is_refused(cache, web):
    web.redirects = {f"/{k}": f"/{k + 1}" for k in range(50)}
    with pytest.raises(PandaError, match="answered 302"):
        weights(web, path="/0").fetch()


def test_https_is_not_left():
    redirects = download._Redirects()
    request = download.Request("https://127.0.0.1/a")
    with pytest.raises(PandaError, match="leads from https to http://127"):
        redirects.redirect_request(request, None, 302, "", {}, "http://127.0.0.1/b")


def test_no_server_is_one_sentence(cache, web):
    web.close()
    with pytest.raises(PandaError, match=r"cannot be fetched: .*refused; get it with a browser"):
        weights(web).fetch()
