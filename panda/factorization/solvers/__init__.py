"""Solvers of ``min sum_i ||Z_i - A (A^T Z_i P) P^T||^2`` with P >= 0 (paper, section 3)."""
