"""Comparisons of methods on one generator."""
