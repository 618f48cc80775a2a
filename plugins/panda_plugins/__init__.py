"""The built-in backends, one architecture per package, registered like any third-party plugin."""
