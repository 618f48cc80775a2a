"""``panda benchmark background``: does an appearance act as background, in each generator?"""
