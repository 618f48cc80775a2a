"""The identical analysis of many generators: what is the same in them, and what differs."""

from panda.comparison.plan import QUICK, Plan
from panda.comparison.results import Comparison
from panda.comparison.run import compare

__all__ = ["QUICK", "Comparison", "Plan", "compare"]
