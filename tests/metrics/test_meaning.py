"""Purity, coverage and one part for each class, on masks whose overlap is known."""

import pytest
import torch

from panda.metrics.meaning import best_fixed, match, matched, overlap


def halves(images: int = 1) -> torch.Tensor:
    """Classes that are the left and the right half of the image, ``[N, 2, 8, 8]``."""
    classes = torch.zeros(images, 2, 8, 8)
    classes[:, 0, :, :4] = 1
    classes[:, 1, :, 4:] = 1
    return classes


def test_purity_is_the_share_of_a_mask_and_coverage_that_of_a_class():
    masks = torch.zeros(1, 3, 8, 8)
    masks[0, 0, :2, :4] = 1  # a quarter of the left half
    masks[0, 1, :, 2:6] = 0.5  # half of each, faintly
    masks[0, 2] = 1
    found = overlap(masks, halves())
    assert found.purity[0].tolist() == [[1, 0], [0.5, 0.5], [0.5, 0.5]]
    assert found.coverage[0].tolist() == [[0.25, 0], [0.25, 0.25], [1, 1]]
    # 2 * both / (mass + area), which is Dice
    assert found.score[0, 0, 0].item() == pytest.approx(2 * 8 / (8 + 32))


def test_masks_of_a_coarser_layer_are_resized_and_the_same_ones_serve_all_images():
    coarse = torch.zeros(1, 1, 2, 2)
    coarse[..., 0] = 1
    found = overlap(coarse, halves(3))
    assert found.purity.shape == (3, 1, 2) and bool((found.purity[:, 0, 0] > 0.85).all())
    assert torch.equal(found.purity[0], found.purity[2])


def test_an_image_without_a_class_and_an_empty_mask_divide_by_nothing():
    found = overlap(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    assert found.purity.item() == found.coverage.item() == found.score.item() == 0


def test_parts_and_classes_are_matched_one_to_one_for_the_highest_sum():
    scores = torch.tensor([[0.9, 0.8, 0.0], [0.8, 0.1, 0.0]])
    assert match(scores) == [1, 0, None]  # the best pair alone would leave 0.9 + 0.1
    values = torch.stack([scores, scores / 2])
    present = torch.tensor([[True, True, True], [True, False, True]])
    got = matched(values, [1, 0, None], present)
    expected = torch.tensor([[0.8, 0.8, 0.0], [0.4, torch.nan, 0.0]])
    torch.testing.assert_close(got.float(), expected, equal_nan=True)


def test_the_best_fixed_mask_is_the_class_where_it_is_the_same_in_all_images():
    classes = halves(4)
    classes[0, 0] = 0  # which no mask of that class counts
    present = torch.ones(4, 2, dtype=torch.bool)
    present[0, 0] = False
    assert torch.equal(best_fixed(classes, present), halves()[0])


def test_no_fixed_mask_of_many_is_better_than_the_best_one():
    draw = torch.Generator().manual_seed(0)
    shift = torch.randint(0, 5, (40,), generator=draw)
    classes = torch.zeros(40, 1, 8, 8)
    for image, left in zip(classes, shift.tolist(), strict=True):
        image[:, 2:6, left : left + 4] = 1
    best = best_fixed(classes, torch.ones(40, 1, dtype=torch.bool))
    score = overlap(best[None], classes).score.mean()
    others = torch.rand(1, 300, 8, 8, generator=draw).round() * classes.amax(0)
    assert bool((overlap(others, classes).score.mean(0)[:, 0] <= score).all())
    assert 0.5 < float(score) < 0.9
