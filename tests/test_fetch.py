"""Weights from web servers, good and bad, and from the user's own copies."""

import hashlib
import json
import shutil
import threading

import pytest
import torch
from golden_files import FOLDER
from safetensors.torch import save_file
from web_server import DATE, WebServer

from panda import PandaError, registry
from panda.cli import main
from panda.registry import create_generator
from panda.zoo import Card, Url, Weights, download
from panda_plugins.biggan import ARCHITECTURE as BIGGAN
from panda_plugins.stylegan2 import ARCHITECTURE as STYLEGAN2

COPY = FOLDER / "stylegan2-ada" / "network.pkl"
FILE = COPY.read_bytes()
SIZE = json.loads((FOLDER / "stylegan2-ada" / "config.json").read_text())["kwargs"][
    "img_resolution"
]
SUM = hashlib.sha256(FILE).hexdigest()
CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "TIMEOUT", 0.9)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = WebServer()
    server.files["/net.pkl"] = FILE
    yield server
    server.close()


def weights(web, *, path="/net.pkl", sha256=None, resolution=SIZE):
    pins = {"net.pkl": sha256} if sha256 else {}
    source = Url({"net.pkl": web.address + path}, pins)
    return Weights("toy", source, STYLEGAN2, resolution)


def broken(web, cut, **facts):
    """Weights whose download broke off after ``cut`` bytes, which lie in the cache."""
    mine, web.cuts = weights(web, **facts), [cut]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "TRIES", 0)  # a try that brought bytes would be followed by others
        with pytest.raises(PandaError, match=f"{cut} bytes are kept and the same command goes on"):
            mine.fetch()
    web.sent = 0
    web.asked.clear()
    return mine


def kept(cache):
    """The files of the cache but its lock and notes."""
    found = (path for path in cache.rglob("*") if path.is_file())
    return sorted(path.name for path in found if path.suffix not in (".json", ".lock", ""))


def test_a_download_becomes_safetensors_that_make_the_generator(cache, web):
    mine = weights(web, sha256=SUM)
    generator = mine.load(CPU, torch.float64)
    reference = create_generator(str(COPY), dtype="float64")
    latents = reference.sample([3])
    assert torch.equal(generator.forward(latents), reference.forward(latents))
    assert kept(cache) == ["toy.safetensors"]
    web.close()
    assert mine.load(CPU, torch.float32).resolution == SIZE, "the second time needs no server"
    assert web.sent == len(FILE)


def test_the_config_of_the_file_is_kept(cache, web):
    """StyleGAN2's clamp is in no tensor: without its config the generator would be another."""
    web.files["/net.pkl"] = (FOLDER / "stylegan2-ada-cond" / "network.pkl").read_bytes()
    config = json.loads((FOLDER / "stylegan2-ada-cond" / "config.json").read_text())["kwargs"]
    generator = weights(web, resolution=config["img_resolution"]).load(CPU, torch.float32)
    assert generator.network.config.conv_clamp == config["synthesis_kwargs"]["conv_clamp"]


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


def test_a_server_that_promises_too_little_is_noticed_by_the_reader(cache, web):
    web.claims = len(FILE) - 1000
    with pytest.raises(PandaError, match="is not toy: "):
        weights(web).fetch()
    assert kept(cache) == []


def test_what_follows_the_end_of_the_file_is_not_taken(cache, web):
    """A 206 answer tells the size in its Content-Range, and need not have a Content-Length."""
    mine = broken(web, 400_000)
    web.junk = b"!" * 5000
    mine.fetch()
    (notes,) = (cache / "downloads").rglob("*.json")
    assert json.loads(notes.read_text())["sha256"] == SUM


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


def test_two_files_make_a_folder(cache, web):
    folder = FOLDER / "biggan-deep-hf" / "hf"
    files = {path.name: f"{web.address}/{path.name}" for path in folder.iterdir()}
    web.files |= {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}
    resolution = create_generator(str(folder)).resolution
    mine = Weights("toy", Url(files), BIGGAN, resolution)
    mine.fetch()
    assert mine.load(CPU, torch.float32).resolution == resolution
    mine.path.unlink()
    mine.fetch(folder)
    assert mine.cached


def test_several_fetch_at_once_and_one_downloads(cache, web):
    mine, problems = weights(web), []

    def fetch():
        try:
            mine.fetch()
        except PandaError as error:
            problems.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert web.sent == len(FILE)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, web, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(PandaError, match="cannot write to"):
        weights(web).fetch()
    assert web.asked == []


def test_downloads_that_cannot_be_written_are_one_sentence(cache, web):
    cache.mkdir()
    (cache / "downloads").touch()
    with pytest.raises(PandaError, match="cannot write .*downloads"):
        weights(web).fetch()


def test_what_killed_processes_left_half_done_is_removed(cache, web):
    (downloads,) = broken(web, 400_000) and (cache / "downloads").iterdir()
    left = [
        cache / ".fetch-1",
        cache / "generators" / ".toy.safetensors.1",
        downloads / ".n.json.1",
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


@pytest.fixture
def shop(web, monkeypatch):
    """The command line with one card, whose weights the server has."""
    mine = weights(web)
    facts = ("StyleGAN2", "random", SIZE, "MIT", "here", mine.load, mine)
    known = {"toy-random": Card(*facts), "toy-free": Card(*facts[:-1])}
    monkeypatch.setattr("panda.cli.catalog.cards", lambda: known)
    monkeypatch.setattr(registry, "cards", lambda: known)
    return mine


def test_the_command_fetches_by_name_and_pattern(cache, shop, web, capsys):
    assert main(["fetch", "toy-random"]) == 0
    assert capsys.readouterr().out == f"{shop.path}\n"
    assert main(["fetch", "toy-*"]) == 0
    assert "toy-free needs no weights" in capsys.readouterr().err
    assert web.sent == len(FILE)
    assert main(["fetch", "toy-randon"]) == 2
    assert "did you mean 'toy-random'" in capsys.readouterr().err


def test_info_and_list_do_not_download(cache, shop, web, capsys):
    assert main(["info", "toy-random"]) == 0
    assert main(["list"]) == 0
    assert "StyleGAN2 · MIT · here" in capsys.readouterr().out
    assert web.asked == []
    assert not cache.exists()


def test_a_local_copy_of_any_container_is_taken(cache, shop, web, tmp_path, capsys):
    converted = tmp_path / "mine.safetensors"
    assert main(["convert", str(COPY), "--out", str(converted)]) == 0
    for copy in (COPY, converted):
        assert main(["fetch", "toy-random", "--file", str(copy)]) == 0
        assert shop.cached
        shop.path.unlink()
    assert copy.is_file()
    assert web.asked == []
    assert main(["fetch", "toy-random", "toy-free", "--file", str(COPY)]) == 2
    assert "--file is a copy of one generator's weights; 2 were named" in capsys.readouterr().err


def test_a_wrong_local_copy_is_refused_and_the_cache_stays(cache, shop, web, tmp_path, capsys):
    assert main(["fetch", "toy-random", "--file", str(COPY)]) == 0
    before = shop.path.read_bytes()
    nan = tmp_path / "nan.safetensors"
    save_file({"synthesis.b4.const": torch.full((1, 2, 3), torch.nan)}, nan)
    torn = tmp_path / "torn.pkl"
    torn.write_bytes(FILE[:1000])
    for copy, said in (
        (FOLDER / "biggan-deep-hf" / "hf", "another architecture"),
        (nan, "NaN or infinity"),
        (torn, "truncated"),
        (tmp_path / "gone", "No such file"),
    ):
        assert main(["fetch", "toy-random", "--file", str(copy)]) == 2
        error = capsys.readouterr().err
        assert f"{copy} is not toy: " in error
        assert said in error
        assert error.count("\n") == 1
    assert shop.path.read_bytes() == before


def test_a_local_copy_must_have_the_published_checksum(cache, web, tmp_path):
    copy = tmp_path / "copy.pkl"
    shutil.copy(COPY, copy)
    weights(web, sha256=SUM).fetch(copy)
    with pytest.raises(PandaError, match=r"copy\.pkl has sha256 .*, which was published"):
        weights(web, sha256="0" * 64).fetch(copy)
