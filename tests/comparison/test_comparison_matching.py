"""Parts and appearances of generators beside each other: which is which."""

import pytest
import torch

from panda.comparison.matching import match
from panda.comparison.report import tiles
from panda.images import sheet
from panda.naming.matching import assign, correlations, image_maps


def test_maps_are_of_one_size_whatever_the_masks_are():
    maps = image_maps(torch.arange(16.0).view(1, 4, 4))
    assert maps.shape == (1, 32, 32)
    assert float(maps[0, 0, 0]) == 0 and float(maps[0, -1, -1]) == 15
    assert image_maps(torch.rand(2, 64, 64)).shape == (2, 32, 32)


def boxes(*places):
    maps = torch.zeros(len(places), 32, 32)
    for part, (top, left, height, width) in zip(maps, places, strict=True):
        part[top : top + height, left : left + width] = 1
    return maps


def test_matching_finds_permuted_parts_splits_and_lacks():
    hair, face, mouth, corner = (0, 0, 10, 32), (12, 6, 10, 20), (26, 12, 4, 8), (28, 0, 4, 4)
    halves = (0, 0, 10, 16), (0, 16, 10, 16)
    maps = {
        "one": boxes(hair, face, mouth),
        "same": boxes(mouth, hair, face),
        "apart": boxes(face, *halves, corner),
    }
    names = {"one": ["hair", "face", "mouth"], "same": list("abc"), "apart": list("abcd")}
    found = match(4, "parts", maps, names)
    assert found.reference == "one"
    rows = {row.name: row.matches for row in found.rows}
    assert [rows[name]["same"].index for name in rows] == [1, 2, 0]
    assert all(rows[name]["same"].similarity == pytest.approx(1) for name in rows)
    assert rows["hair"]["apart"].verdict == "splits"
    assert set(rows["hair"]["apart"].pieces) == {1, 2}
    assert rows["face"]["apart"].verdict == "same" and rows["face"]["apart"].index == 0
    assert rows["mouth"]["apart"].verdict == "lacks"
    assert found.left == {"one": (), "same": (), "apart": (3,)}


def test_assignment_is_the_best_of_all_and_not_greedy():
    similarity = torch.tensor([[0.9, 0.8], [0.85, 0.1]])
    assert assign(similarity) == {0: 1, 1: 0}


def test_changes_match_whichever_way_round_they_go():
    change = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = correlations(change, -change.flip(0), signed=False)
    assert torch.allclose(found.flip(1).diag(), torch.ones(2).double())
    flat = correlations(torch.ones(1, 4, 4), torch.rand(1, 4, 4))
    assert float(flat) == pytest.approx(0, abs=1e-6)


def test_strips_come_apart_as_they_were_put_together():
    from PIL import Image

    colors = ["red", "green", "blue"]
    strip = sheet([[Image.new("RGB", (8, 8), color) for color in colors]], gap=2)
    assert [tile.getpixel((0, 0)) for tile in tiles(strip, 3)] == [
        (255, 0, 0),
        (0, 128, 0),
        (0, 0, 255),
    ]
    assert {tile.size for tile in tiles(strip, 3)} == {(8, 8)}
