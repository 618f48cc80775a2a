"""Measures of images and edits, and the pretrained networks that some of them need."""
