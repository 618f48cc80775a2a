"""StyleGAN3 (Karras et al., arXiv 2106.12423), T and R: generators without aliasing."""

from __future__ import annotations

from panda.hookspecs import hookimpl
from panda.zoo import Card


@hookimpl
def panda_generators() -> dict[str, Card]:
    """None of its own: its generators come from checkpoint files."""
    return {}
