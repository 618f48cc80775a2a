"""Weights that are fetched or copied from the user's file, and the commands that do so."""

import json
import shutil
import threading
import warnings
from dataclasses import replace

import pytest
import torch
from fetching import COPY, CPU, FILE, SIZE, SUM, kept, weights
from golden_files import FOLDER
from safetensors.torch import save_file

from panda import PandaError
from panda.cli import main
from panda.errors import PandaWarning
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.registry import create_generator, find_card
from panda.weights import Url, Weights
from panda_plugins.biggan import ARCHITECTURE as BIGGAN


def test_a_download_becomes_safetensors_that_make_the_generator(cache, web):
    mine = weights(web, sha256=SUM)
    generator = mine.load(CPU, torch.float64)
    reference = create_generator(str(COPY), dtype="float64")
    latents = reference.sample([3])
    assert torch.equal(generator.forward(latents), reference.forward(latents))
    assert kept(cache) == ["toy.safetensors"]
    web.close()
    assert mine.load(CPU, torch.float32).size == (SIZE, SIZE), "the second time needs no server"
    assert web.sent == len(FILE)


def test_the_config_of_the_file_is_kept(cache, web):
    """StyleGAN2's clamp is in no tensor: without its config the generator would be another."""
    web.files["/net.pkl"] = (FOLDER / "stylegan2-ada-cond" / "network.pkl").read_bytes()
    config = json.loads((FOLDER / "stylegan2-ada-cond" / "config.json").read_text())["kwargs"]
    generator = weights(web, size=config["img_resolution"]).load(CPU, torch.float32)
    assert generator.network.config.conv_clamp == config["synthesis_kwargs"]["conv_clamp"]


def test_the_card_of_a_state_dict_knows_what_the_file_does_not_record(cache):
    card = find_card("stylegan2-ffhq-256-rosinality").weights
    file = FOLDER / "stylegan2-rosinality" / "checkpoint.pt"
    with pytest.warns(PandaWarning, match="lr_mlp"):
        size = create_generator(file).size
    mine = replace(card, size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine.fetch(file)
        mine.load(CPU, torch.float32)
        create_generator(mine.path)


def test_two_files_make_a_folder(cache, web):
    folder = FOLDER / "biggan-deep-hf" / "hf"
    files = {path.name: f"{web.address}/{path.name}" for path in folder.iterdir()}
    web.files |= {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}
    size = create_generator(str(folder)).size
    mine = Weights("toy", Url(files), BIGGAN, size)
    mine.fetch()
    assert mine.load(CPU, torch.float32).size == size
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


@pytest.fixture
def shop(web, monkeypatch):
    """The command line with a generator whose weights the server has."""
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
    ):
        assert main(["fetch", "toy-random", "--file", str(copy)]) == 2
        error = capsys.readouterr().err
        assert f"{copy} is not toy: " in error
        assert said in error
        assert error.count("\n") == 1
    with pytest.raises(PandaError, match=r"gone is not toy: .*No such file"):
        shop.fetch(tmp_path / "gone")
    assert shop.path.read_bytes() == before


def test_a_local_copy_must_have_the_published_checksum(cache, web, tmp_path):
    copy = tmp_path / "copy.pkl"
    shutil.copy(COPY, copy)
    weights(web, sha256=SUM).fetch(copy)
    with pytest.raises(PandaError, match=r"copy\.pkl has sha256 .*, which was published"):
        weights(web, sha256="0" * 64).fetch(copy)
