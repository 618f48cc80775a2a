"""How the mini generators of the zoo were made: data, recipe, measurement."""
