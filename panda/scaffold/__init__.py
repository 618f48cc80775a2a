"""Packages of new backends: what `panda new-backend` writes."""
