"""x."""

from panda.hookspecs import hookimpl
from panda.zoo import Card


@hookimpl
def panda_generators() -> dict[str, Card]:
    """None yet."""
    return {}
