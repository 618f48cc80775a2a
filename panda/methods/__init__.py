"""All methods by name: those that find directions of latents, PandA, and published files."""
