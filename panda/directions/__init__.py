"""Changes of latents: what they are, and the methods that find them in a generator."""
