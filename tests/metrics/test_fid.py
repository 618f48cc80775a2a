"""Frechet inception distance: the maths, the streaming, the network and its resizing."""

import json
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from conftest import GOLDENS, golden
from published_names import published

from panda import PandaError
from panda.checkpoints.strict import load_strictly
from panda.metrics.fid import FeatureMoments, InceptionFeatures, frechet_distance, set_distance
from panda.metrics.folding import fold
from panda.metrics.inception import RESOLUTION, InceptionV3, from_torchscript, normalize, pooled

MANY = 10**6


def gaussian(mean, covariance):
    mean, covariance = (torch.tensor(values, dtype=torch.float64) for values in (mean, covariance))
    return FeatureMoments(MANY, mean, covariance * (MANY - 1))


def correlated(count, dimensions, seed):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimensions, dimensions, generator=generator)
    return torch.randn(count, dimensions, generator=generator) @ mixing + seed


def test_the_distance_of_independent_gaussians_is_the_closed_form():
    a = gaussian([0.0, 1.0, 2.0], np.diag([1.0, 4.0, 9.0]))
    b = gaussian([3.0, 1.0, 0.0], np.diag([4.0, 4.0, 1.0]))
    assert frechet_distance(a, b) == pytest.approx((9 + 0 + 4) + (1 + 0 + 4), rel=1e-12)


def test_a_point_is_as_far_as_its_offset_and_the_whole_variance():
    point = gaussian([1.0, 1.0], np.zeros((2, 2)))
    assert frechet_distance(point, gaussian([0.0, 0.0], [[2.0, 1], [1, 3]])) == pytest.approx(7)


def test_correlated_sets_agree_with_the_root_of_the_product():
    a, b = (FeatureMoments.of(correlated(500, 20, seed)) for seed in (1, 2))
    root = scipy.linalg.sqrtm((a.covariance() @ b.covariance()).numpy()).real
    traces = a.covariance().trace() + b.covariance().trace() - 2 * root.trace()
    expected = float((a.mean - b.mean).square().sum() + traces)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_a_set_has_no_distance_to_itself_even_where_its_covariance_is_singular():
    full, singular = (FeatureMoments.of(correlated(count, 20, 3)) for count in (500, 10))
    assert 0 <= frechet_distance(full, full) < 1e-9
    with pytest.warns(UserWarning, match="10 images give a singular covariance of 20 features"):
        assert 0 <= frechet_distance(singular, singular) < 1e-5


@pytest.mark.parametrize("counts", [(5, 5), (5, 50), (40, 50)])
def test_two_sets_have_the_distance_of_their_moments_however_few_they_are(counts):
    sets = [correlated(count, 20, seed) for seed, count in enumerate(counts)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = frechet_distance(*(FeatureMoments.of(one) for one in sets))
    assert set_distance(*sets) == pytest.approx(expected, rel=1e-5)


def test_enough_images_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(*(FeatureMoments.of(correlated(21, 20, seed)) for seed in (1, 2)))


def test_moments_of_batches_in_any_grouping_are_those_of_the_whole():
    features = 1000 + correlated(200, 6, 4)  # far from zero, where naive sums lose precision
    whole = FeatureMoments.of(features)
    streamed = FeatureMoments.gather(features.split(7))
    merged = FeatureMoments.gather(features[120:].split(50)) + FeatureMoments.gather(
        features[:120].split(1)
    )
    for found in (streamed, merged):
        assert found.count == 200
        torch.testing.assert_close(found.mean, whole.mean, rtol=1e-13, atol=0)
        torch.testing.assert_close(found.scatter, whole.scatter, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whole.covariance(), torch.cov(features.double().T))


def test_what_has_no_distance_is_refused():
    features = correlated(30, 4, 5)
    with pytest.raises(PandaError, match="at least 2 images in each set, found 1"):
        frechet_distance(FeatureMoments.of(features), FeatureMoments.of(features[:1]))
    with pytest.raises(PandaError, match="of 4 and of 3 dimensions"):
        frechet_distance(FeatureMoments.of(features), FeatureMoments.of(features[:, :3]))
    features[3, 1] = torch.nan
    with pytest.raises(PandaError, match="NaN or infinity"):
        FeatureMoments.of(features)
    with pytest.raises(PandaError, match=r"shape \[4\], expected \[N, D\]"):
        FeatureMoments.of(features[0])
    with pytest.raises(PandaError, match="no images"):
        FeatureMoments.gather([])


@pytest.mark.parametrize("size", [64, 300, 1024])
def test_resizing_is_that_of_tensorflow(size):
    generator = torch.Generator().manual_seed(size)
    levels = torch.randint(0, 256, (1, 3, size, size), generator=generator)
    place = np.arange(RESOLUTION) * size / RESOLUTION
    low = place.astype(int)
    high, weight = np.minimum(low + 1, size - 1), place - low
    x = levels[0].double().numpy()
    x = x[:, low] * (1 - weight)[:, None] + x[:, high] * weight[:, None]
    x = x[:, :, low] * (1 - weight) + x[:, :, high] * weight
    found = normalize(levels / 127.5 - 1)
    np.testing.assert_allclose(found[0].numpy(), (x - 128) / 128, atol=1e-5)


def test_images_are_clamped_and_rounded_to_the_levels_of_a_file():
    images = torch.tensor([-9.0, -1, 0, 0.001, 1, 9]).repeat_interleave(RESOLUTION)
    images = images.reshape(6, 1, 1, RESOLUTION).expand(-1, 3, RESOLUTION, -1)
    levels = normalize(images)[:, 0, 0, 0] * 128 + 128
    assert levels.tolist() == [0, 0, 128, 128, 255, 255]


def test_the_published_names_make_the_whole_network():
    shapes = json.loads((GOLDENS / "metrics" / "names.json").read_text())["inception"]
    tensors = published(shapes)
    with torch.device("meta"):
        network = InceptionV3()
    load_strictly(network, from_torchscript(tensors), "InceptionV3")
    features = network(torch.rand(2, 3, 75, 75) * 2 - 1)
    assert features.shape == (2, 2048)
    assert features.isfinite().all()
    assert features.std() > 0
    with pytest.raises(PandaError, match="2 missing"):
        incomplete = {name: v for name, v in tensors.items() if ".conv_3." not in name}
        kept = {n: v for n, v in tensors.items() if n in incomplete or ".mixed" in n}
        load_strictly(network, from_torchscript(kept), "InceptionV3")


def test_folding_a_batch_norm_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    conv = torch.nn.Conv2d(3, 5, 3, bias=False)
    norm = torch.nn.BatchNorm2d(5, eps=0.1).eval()
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
    with torch.no_grad():
        weight, bias = fold(
            conv.weight, norm.running_mean, norm.running_var, norm.bias, norm.weight, norm.eps
        )
        x = torch.randn(2, 3, 8, 8, generator=generator)
        folded = torch.nn.functional.conv2d(x, weight, bias)
        torch.testing.assert_close(folded, norm(conv(x)), atol=1e-5, rtol=1e-5)


def test_average_pools_do_not_count_the_padding():
    pool = pooled(4, 4).pool
    assert torch.equal(pool(torch.ones(1, 4, 5, 5)), torch.ones(1, 4, 5, 5))


@pytest.mark.download
def test_features_are_those_of_the_published_program(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    extract, io = InceptionFeatures(), golden("metrics")
    images = io["images"] / 127.5 - 1
    torch.testing.assert_close(extract(images), io["features"], atol=1e-4, rtol=0)
    torch.testing.assert_close(extract(images[1:2]), io["features"][1:2], atol=1e-4, rtol=0)
    images[0, 0, 0, 0] = torch.nan
    with pytest.raises(PandaError, match="NaN or infinity"):
        extract(images)
    with pytest.raises(PandaError, match=r"expected \[N, 3, H, W\]"):
        extract(images[0])
