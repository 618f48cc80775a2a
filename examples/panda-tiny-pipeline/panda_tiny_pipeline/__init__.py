"""TinyPipeline for PandA: the card of what it brings. Listing imports no torch."""

from panda import Card, Option, hookimpl

OPTIONS = {"steps": Option(2, "how many steps the sampler takes", low=1, high=1000)}


def load(device, dtype, steps=OPTIONS["steps"].default):
    """Build the generator."""
    from .backend import load

    return load(device, dtype, steps=steps)


@hookimpl
def panda_generators():
    """Return the card of each generator, by its name."""
    return {
        "tiny-pipeline-random-64": Card(
            architecture="TinyPipeline",
            dataset="FILL IN: what it was trained on",
            size=64,
            license="FILL IN: the license of the weights",
            origin="FILL IN: where the weights come from",
            load=load,
            options=OPTIONS,
        )
    }
