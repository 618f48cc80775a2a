"""The values along the horizontal axis of a chart."""

import re
from itertools import pairwise

from panda.report.chart import lines


def ticks(*xs):
    drawn = lines({"line": [(x, 0.5) for x in xs]}, "x", "y")
    written = re.findall('<text x="([0-9.]+)" y="276" text-anchor="middle">(.*?)</text>', drawn)
    places = [float(place) for place, _ in written]
    assert all(after - before >= 24 for before, after in pairwise(places))
    return [text for _, text in written]


def test_values_are_fractions_below_one_and_numbers_from_there():
    assert ticks(1 / 128, 0.25, 1, 2, 48) == ["1/128", "1/4", "1", "2", "48"]


def test_of_values_that_are_close_together_some_are_left_out():
    written = ticks(*range(1, 513))
    assert written[:4] == ["1", "2", "3", "4"] and 12 < len(written) < 30
