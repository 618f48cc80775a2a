"""The interactive app, ``panda studio``: sessions, thumbnails, exports, and the web page."""
