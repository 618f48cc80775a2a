"""The sampling rates, sizes and filters of StyleGAN3's layers, from its constructor's arguments.

Karras et al., arXiv 2106.12423, section 3 and appendix C; ``training/networks_stylegan3.py`` of
NVlabs/stylegan3.
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
    """The band limits and the size of a feature map.

    Attributes:
        cutoff: Cutoff frequency, in cycles per canvas.
        halfwidth: Half-width of the transition band, in cycles per canvas.
        sampling_rate: Positions per canvas. The canvas is the image where that has a power of two
            of pixels; other images are cut out of the middle of a larger one.
        size: Height and width, margins included, in positions.
        margin: Positions on each side that are outside the image, rounded.
    """

    cutoff: float
    halfwidth: float
    sampling_rate: int
    size: int
    margin: int


@dataclass(frozen=True)
class LayerDesign:
    """A synthesis layer: its input and output bands, and the two resampling filters between them.

    Attributes:
        source: Band of the input.
        target: Band of the output.
        filter_size: Taps of a filter, divided by its resampling factor.
        oversampling: The activation works at this multiple of the larger rate.
        is_rgb: Whether this is the last layer, which has neither activation nor filters.
        radial: Whether the downsampling filter is radially symmetric.
        use_fp16: Whether the layer was trained in half precision.
    """

    source: Rate
    target: Rate
    filter_size: int
    oversampling: int
    is_rgb: bool
    radial: bool
    use_fp16: bool

    @property
    def between(self) -> int:
        """Sampling rate of the activation, in positions per image."""
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

    @property
    def filter_bytes(self) -> int:
        """Bytes that designing the filters takes; arguments may ask for any number of taps."""
        up, down = self.filter_size * self.up, self.filter_size * self.down
        return 8 * (up + (6 * down**2 if self.radial else down))

    @cached_property
    def filters(self) -> dict[str, NDArray[np.float64] | None]:
        """The two filters, None for no filter.

        ``up_filter`` is ``[taps]``, ``down_filter`` ``[taps]`` or, where radial, ``[taps, taps]``.
        """
        return {
            "up_filter": self._filter(self.up, self.source, radial=False),
            "down_filter": self._filter(self.down, self.target, radial=self.radial),
        }

    def padding(self, size: int) -> int:
        """Return the zeros before an upsampled map of ``size`` positions; if negative, crop it."""
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
    """Design a Kaiser low-pass filter (``design_lowpass_filter`` in the official code).

    Args:
        taps: Length of the filter.
        cutoff: Cutoff frequency.
        width: Width of the transition band, in the same unit.
        sampling_rate: Sampling rate, in the same unit.
        radial: Whether the filter is 2-D and radially symmetric.

    Returns:
        ``[taps]``, or ``[taps, taps]`` where radial.
    """
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
    """The arguments of NVIDIA's constructor that decide sampling rates, with its defaults."""

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
        """Return the band after each layer: geometric progressions up to the band of the image."""
        last_cutoff = resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        canvas = 1 << (resolution - 1).bit_length()
        rates = []
        for i in range(self.num_layers + 1):
            progress = min(i / (self.num_layers - self.num_critical), 1)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** progress
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** progress
            rate = 2 ** math.ceil(math.log2(min(stopband * 2, resolution)))
            size = rate + 2 * self.margin_size if i < self.num_layers - 1 else resolution
            margin = round((size - resolution * rate / canvas) / 2)
            rates.append(Rate(cutoff, max(stopband, rate / 2) - cutoff, rate, size, margin))
        return rates

    def layers(self, resolution: int) -> list[LayerDesign]:
        """Return the design of every synthesis layer; the last layer makes the image."""
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
