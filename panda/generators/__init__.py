"""Generators: the contract that each of them keeps, the registry, and wrappers."""
