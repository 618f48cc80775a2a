"""Measures of images and of edits, with the pretrained networks that they need."""
