"""The identical analysis of many generators, and what is the same and what differs in them."""

from panda.comparison.plan import QUICK, Plan
from panda.comparison.results import Comparison
from panda.comparison.run import compare

__all__ = ["QUICK", "Comparison", "Plan", "compare"]
