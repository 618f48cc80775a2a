"""TinyModule for PandA: the card of what it brings. Listing imports no torch."""

from panda import Card, hookimpl


def load(device, dtype):
    """Build the generator."""
    from .backend import load

    return load(device, dtype)


@hookimpl
def panda_generators():
    """Return the card of each generator, by its name."""
    return {
        "tiny-module-random-32": Card(
            architecture="TinyModule",
            dataset="FILL IN: what it was trained on",
            size=32,
            license="FILL IN: the license of the weights",
            origin="FILL IN: where the weights come from",
            load=load,
        )
    }
