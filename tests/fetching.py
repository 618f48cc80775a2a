"""A small file on a web server, as weights: what tests of downloads share."""

import hashlib
import json

import pytest
import torch
from golden_files import FOLDER

from panda import PandaError
from panda.weights import Url, Weights, download
from panda_plugins.stylegan2 import ARCHITECTURE as STYLEGAN2

COPY = FOLDER / "stylegan2-ada" / "network.pkl"
FILE = COPY.read_bytes()
SIZE = json.loads((FOLDER / "stylegan2-ada" / "config.json").read_text())["kwargs"][
    "img_resolution"
]
SUM = hashlib.sha256(FILE).hexdigest()
CPU = torch.device("cpu")


def weights(web, *, path="/net.pkl", sha256=None, size=SIZE):
    pins = {"net.pkl": sha256} if sha256 else {}
    source = Url({"net.pkl": web.address + path}, pins)
    return Weights("toy", source, STYLEGAN2, size)


def broken(web, cut, **facts):
    """Weights whose download broke off after ``cut`` bytes, which lie in the cache."""
    mine, web.cuts = weights(web, **facts), [cut]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "TRIES", 0)  # a try that brought bytes would be followed by others
        with pytest.raises(PandaError, match=f"{cut} bytes are kept and the same command resumes"):
            mine.fetch()
    web.sent = 0
    web.asked.clear()
    return mine


def kept(cache):
    """The files of the cache but its lock and notes."""
    found = (path for path in cache.rglob("*") if path.is_file())
    return sorted(path.name for path in found if path.suffix not in (".json", ".lock", ""))
