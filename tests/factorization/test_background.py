"""Where background is and what it looks like, found without labels."""

import torch
from torch.nn.functional import cosine_similarity

from panda.factorization.background import find_background, pooled
from panda.factorization.fit import fit
from panda.factorization.thresholds import otsu
from panda.generators.contract import Layer

SIDE = 24


def scene(count=16, channels=20, noise=0.3):
    """A face under hair that reaches the top border; features ``[N, C, H, W]``, background, means.

    Along one axis, which has nothing to do with what is where, all features vary widely.
    """
    draw = torch.Generator().manual_seed(0)
    means = torch.randn(3, channels, generator=draw)
    x, y = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="xy")
    hair = ((x - SIDE / 2).abs() < SIDE / 3) & (y < SIDE * 0.8)
    face = ((x - SIDE / 2).abs() < SIDE / 4) & (y > SIDE / 4)
    kind = torch.zeros(SIDE, SIDE, dtype=torch.long)
    kind[hair], kind[face] = 1, 2
    features = means[kind].permute(2, 0, 1) + noise * torch.randn(
        count, channels, SIDE, SIDE, generator=draw
    )
    wide = torch.nn.functional.normalize(torch.randn(channels, generator=draw), dim=0)
    lighting = 3 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
    return features + lighting * wide[:, None, None], kind == 0, means


def test_hair_at_the_border_is_not_background():
    features, truth, means = scene()
    background = find_background(features)
    maps = torch.einsum("c,nchw->nhw", background.detector, features)
    detected = maps >= torch.stack([otsu(row) for row in maps])[:, None, None]
    assert float((detected == truth).float().mean()) > 0.97
    assert float(maps[:, truth].mean() - maps[:, ~truth].mean()) > 0.9
    true = means[0] - features.mean((0, 2, 3))
    assert float(cosine_similarity(background.appearance, true, dim=0)) > 0.9


def test_it_is_the_same_each_time_and_for_one_sample():
    features, truth, _ = scene(count=1)
    once, again = find_background(features), find_background(features)
    assert torch.equal(once.detector, again.detector)
    assert torch.equal(once.appearance, again.appearance)
    detected = torch.einsum("c,nchw->nhw", once.detector, features)[0]
    assert float(((detected >= otsu(detected)) == truth).float().mean()) > 0.9


def test_features_that_do_not_vary_have_none():
    background = find_background(torch.ones(2, 5, 4, 4))
    assert not background.detector.any() and not background.appearance.any()


def test_a_mean_far_larger_than_what_varies_changes_nothing(tiny, monkeypatch):
    features, _, _ = scene()
    near, far = find_background(features), find_background(features + 1e4)
    assert float(cosine_similarity(near.appearance, far.appearance, dim=0)) > 0.999
    fitted = fit(tiny, "c", parts=4, seeds=range(64))
    head = tiny.head
    shift = 3000 * head(tiny.sample(range(64)), "c").x.std()

    def away(latents, layer):
        state = head(latents, layer)
        return state.with_features(state.x + shift)

    monkeypatch.setattr(tiny, "head", away)
    moved = fit(tiny, "c", parts=4, seeds=range(64))
    assert float(cosine_similarity(fitted.background, moved.background, dim=0)) > 0.99


def test_features_are_averaged_inside_the_image():
    maps = torch.full((3, 70, 70), 9.0)
    maps[:, 3:67, 3:67] = torch.arange(64.0)
    small = pooled(maps, Layer("l", 3, 70, 70, margin=3))
    assert small.shape == (3, 32, 32)
    assert small[0, 0, 0] == 0.5 and small[2, 31, 31] == 62.5
