"""How the small generators were trained: data, recipe and evaluation."""
