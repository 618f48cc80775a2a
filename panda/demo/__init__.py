"""The demo: every ability of the method on one generator, in one HTML report."""
