"""The sampling rates, sizes and filters of StyleGAN3's layers, from its constructor's arguments.

Karras et al., arXiv 2106.12423, section 3 and appendix C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # cards need the sizes alone, and numpy takes long to import
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rate:
    """The band of a feature map: frequencies in cycles per image, size in positions."""

    cutoff: float
    halfwidth: float
    sampling_rate: int
    size: int

    @property
    def margin(self) -> int:
        """Positions on each side that lie outside the image."""
        return (self.size - self.sampling_rate) // 2


@dataclass(frozen=True)
class LayerDesign:
    """One synthesis layer: where it comes from, where it goes, and its two resampling filters."""

    source: Rate
    target: Rate
    filter_size: int
    oversampling: int
    is_rgb: bool
    radial: bool
    use_fp16: bool

    @property
    def between(self) -> int:
        """Sampling rate at which the activation works."""
        rate = max(self.source.sampling_rate, self.target.sampling_rate)
        return rate if self.is_rgb else rate * self.oversampling

    @property
    def up(self) -> int:
        """Upsampling factor before the activation."""
        return self.between // self.source.sampling_rate

    @property
    def down(self) -> int:
        """Downsampling factor after the activation."""
        return self.between // self.target.sampling_rate

    @cached_property
    def filters(self) -> dict[str, NDArray[np.float64] | None]:
        """``up_filter`` ``[taps]`` and ``down_filter`` ``[taps]`` or, radial, ``[taps, taps]``.

        None stands for no filter.
        """
        return {
            "up_filter": self._filter(self.up, self.source, radial=False),
            "down_filter": self._filter(self.down, self.target, radial=self.radial),
        }

    def padding(self, size: int) -> int:
        """Zeros before an upsampled map of ``size`` positions; below 0 so many are cut off."""
        taps = sum(1 if kernel is None else len(kernel) for kernel in self.filters.values())
        total = (self.target.size - 1) * self.down + 1 - size * self.up + taps - 2
        return (total + self.up) // 2

    def _filter(self, factor: int, rate: Rate, *, radial: bool) -> NDArray[np.float64] | None:
        if factor == 1 or self.is_rgb:
            return None
        return low_pass(
            self.filter_size * factor, rate.cutoff, 2 * rate.halfwidth, self.between, radial
        )


def low_pass(
    taps: int, cutoff: float, width: float, sampling_rate: float, radial: bool = False
) -> NDArray[np.float64]:
    """Kaiser low-pass filter ``[taps]``, or a radially symmetric one ``[taps, taps]``."""
    import numpy as np
    import scipy.signal
    import scipy.special

    if not radial:
        row: NDArray[np.float64] = scipy.signal.firwin(
            taps, cutoff=cutoff, width=width, fs=sampling_rate
        )
        return row
    place = (np.arange(taps) - (taps - 1) / 2) / sampling_rate
    radius = np.hypot(*np.meshgrid(place, place))
    jinc = scipy.special.j1(2 * cutoff * (np.pi * radius)) / (np.pi * radius)
    attenuation = scipy.signal.kaiser_atten(taps, width / (sampling_rate / 2))
    window = np.kaiser(taps, scipy.signal.kaiser_beta(attenuation))
    kernel: NDArray[np.float64] = jinc * np.outer(window, window)
    kernel /= kernel.sum()
    return kernel


@dataclass(frozen=True)
class Sampling:
    """The constructor's arguments that decide sampling rates, with its own defaults."""

    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    num_fp16_res: int = 4
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False

    def rates(self, resolution: int) -> list[Rate]:
        """The band after each layer: geometric progressions up to the image's own."""
        last_cutoff = resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        found = []
        for i in range(self.num_layers + 1):
            progress = min(i / (self.num_layers - self.num_critical), 1)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** progress
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** progress
            rate = 2 ** math.ceil(math.log2(min(stopband * 2, resolution)))
            size = rate + 2 * self.margin_size if i < self.num_layers - 1 else resolution
            found.append(Rate(cutoff, max(stopband, rate / 2) - cutoff, rate, size))
        return found

    def layers(self, resolution: int) -> list[LayerDesign]:
        """Every synthesis layer, the last one to RGB."""
        rates = self.rates(resolution)
        return [
            LayerDesign(
                source=rates[max(i - 1, 0)],
                target=target,
                filter_size=self.filter_size,
                oversampling=self.lrelu_upsampling,
                is_rgb=i == self.num_layers,
                radial=self.use_radial_filters and i < self.num_layers - self.num_critical,
                use_fp16=target.sampling_rate * 2**self.num_fp16_res > resolution,
            )
            for i, target in enumerate(rates)
        ]
