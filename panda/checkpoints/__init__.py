"""Readers of checkpoint containers: they run no code of a file and return plain tensors."""
