"""Photographs: reading them, finding and cutting out faces, and putting them back."""
