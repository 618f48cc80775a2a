"""BigGAN and BigGAN-deep (Brock et al., arXiv 1809.11096): class-conditional ImageNet."""

from __future__ import annotations

from panda.hookspecs import hookimpl
from panda.zoo import Card


@hookimpl
def panda_generators() -> dict[str, Card]:
    """None of its own: its generators come from checkpoint files."""
    return {}
