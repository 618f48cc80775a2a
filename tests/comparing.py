"""A small plan and two files that the tests of comparison share."""

from golden_files import FOLDER

from panda.comparison import Plan

SMALL = Plan(
    levels=(4, 2), samples=12, parts=3, axes=1, images=2, scored=2, selected=1, faces=False
)
BIGGAN = str(FOLDER / "biggan-ajbrock/state_dict.safetensors")
STYLEGAN2 = str(FOLDER / "stylegan2-ada/network.pkl")
PROGAN = str(FOLDER / "proggan-genforce/checkpoint.pth")
