"""Noise that networks draw inside: one map for each place and seed, on any batch and device."""

from __future__ import annotations

import pytest
import torch
from test_steps import DDIM, UNet
from test_torch_module import Chain, Noisy, seeded
from torch import Tensor, nn
from torch.nn import functional as F

from panda import PandaError, TorchModule
from panda.generators.fixed_noise import FixedNoise
from panda.testing import parametrize_with_checks


class NoisyBlocks(Chain):
    """Noise of every kind between its blocks, as StyleGAN2 draws it by default."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = torch.Generator()  # that goes on from call to call

    def forward(self, z: Tensor) -> Tensor:
        x = z
        for k, part in enumerate(self):
            x = part(x)
            if k == 1:
                x = x + 0.1 * torch.randn(len(x), 1, 4, 4, generator=self.stream).to(x)
            elif k == 3:
                both = torch.cat([x, x])
                noise = torch.randn_like(both).add_(torch.empty_like(both).uniform_())
                x = x + 0.1 * noise.chunk(2)[1] * torch.bernoulli(torch.full_like(x, 0.5))
        return x


class Ancestral(DDIM):
    """A sampler that adds noise before, in and after its steps."""

    def start(self, z: Tensor) -> Tensor:
        return z + 0.1 * torch.randn_like(z)

    def step(self, k: int, x: Tensor) -> Tensor:
        return super().step(k, x) + 0.1 * torch.randn(x.shape, dtype=x.dtype)

    def finish(self, x: Tensor) -> Tensor:
        return (x + 0.1 * torch.rand_like(x)).tanh()


def blocks(device="cpu", dtype=torch.float32):
    options = {"latent": (6, 1, 1), "device": device, "dtype": dtype, "fixed_noise": True}
    return TorchModule(seeded(NoisyBlocks()), ["2", "4"], **options)


def sampler(device="cpu", dtype=torch.float32):
    options = {"latent": (3, 16, 16), "device": device, "dtype": dtype, "fixed_noise": True}
    return TorchModule(Ancestral(seeded(UNet())), {"mid": "unet.mid"}, **options)


@parametrize_with_checks([blocks, sampler])
def test_networks_that_draw_noise_keep_the_contract(check):
    check()


def draw(seeds, call, step=1):
    with FixedNoise(seeds, "Net") as noise:
        noise.at(step)
        return call()


def test_noise_is_one_of_each_seed_draw_and_step():
    pair = draw([3, 4], lambda: (torch.randn(2, 5), torch.randn(2, 5)))
    again = draw([4, 3, 9], lambda: (torch.randn(3, 5), torch.randn(3, 5)))
    for first, second in zip(pair, again, strict=True):
        assert torch.equal(first, second[[1, 0]])
    later = draw([3, 4], lambda: torch.randn(2, 5), step=2)
    rows = torch.cat([*pair, later])
    assert len(rows.unique(dim=0)) == 6


def test_noise_has_the_distribution_type_and_place_that_was_asked_for():
    seeds = range(200)
    normal = draw(seeds, lambda: torch.empty(200, 50).normal_(3, 2))
    assert float(normal.mean()) == pytest.approx(3, abs=0.1)
    assert float(normal.std()) == pytest.approx(2, abs=0.1)
    double = draw(seeds, lambda: torch.randn(200, 50, dtype=torch.float64))
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), draw(seeds, lambda: torch.randn(200, 50)))
    whole = draw(seeds, lambda: torch.randint(3, 7, (200, 50)))
    assert sorted(whole.unique().tolist()) == [3, 4, 5, 6]
    half = draw(seeds, lambda: torch.rand_like(torch.ones(200, 50, dtype=torch.bfloat16)))
    assert half.dtype == torch.bfloat16
    chosen = draw(seeds, lambda: torch.multinomial(torch.eye(50).repeat(4, 1), 1))
    assert chosen[:, 0].tolist() == list(range(50)) * 4
    gumbel = draw([5], lambda: F.gumbel_softmax(torch.zeros(1, 9), hard=True))
    assert gumbel.sum() == 1


def test_a_guided_batch_has_two_maps_for_each_seed():
    four = draw([3, 4], lambda: torch.randn(4, 5))
    assert torch.equal(four[[1, 3]], draw([4], lambda: torch.randn(2, 5)))
    assert not torch.equal(four[0], four[2])


def test_the_global_stream_stays_as_it_is():
    before = torch.get_rng_state()
    draw([3], lambda: torch.randn(1, 5))
    assert torch.equal(torch.get_rng_state(), before)


def test_attention_and_dropout_that_draw_nothing_run():
    x = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True).eval()
    assert torch.equal(draw([3, 4], lambda: attention(x, x, x)[0]), attention(x, x, x)[0])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: torch.randn(3, 5), r"Net draws noise \[3, 5\] for 2 samples"),
        (lambda: torch.randn(()), r"Net draws noise \[\] for 2 samples"),
        (lambda: torch.empty(1, 5).normal_(), r"Net draws noise \[1, 5\] for 2 samples"),
        (lambda: torch.randperm(4), "Net draws random numbers in torch's randperm"),
    ],
)
def test_noise_that_is_of_no_sample_is_refused(call, sentence):
    with pytest.raises(PandaError, match=sentence):
        draw([3, 4], call)


def test_rows_that_only_look_like_samples_are_refused():
    class Shared(Noisy):
        def forward(self, z):
            return super().forward(z) + torch.randn(4)[:, None, None, None].mean()

    with pytest.raises(PandaError, match="an image of Shared is another one in a batch of two"):
        TorchModule(seeded(Shared()), ["2"], latent=(6, 1, 1), fixed_noise=True)


def test_a_truncation_of_what_has_noise_of_its_own_is_refused():
    with pytest.raises(PandaError, match="has no truncation, .* but 0.5 was given"):
        blocks().sample([0], truncation=0.5)
