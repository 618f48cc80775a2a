"""How the small generators were made: data, recipe, measurement."""
