"""The interactive app, ``panda studio``: sessions, thumbnails and exports, and a page on top."""
