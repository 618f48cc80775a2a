"""The built-in backends, one architecture each, registered through the same door as any other."""
