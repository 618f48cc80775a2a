"""Readers of checkpoint containers. No code of a file is ever run; all give plain tensors."""
