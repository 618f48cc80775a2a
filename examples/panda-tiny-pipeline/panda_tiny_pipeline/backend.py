"""TinyPipeline: a pipeline of diffusers, stopped and resumed at each place of each step."""

import tempfile

import torch

from panda import create_generator

SOURCE = ""  # FILL IN: the folder of a pipeline, or hf:OWNER/NAME (here: a tiny random one)


def load(device, dtype, **options):
    """Open the pipeline, with options such as ``steps=20``."""
    if SOURCE:
        return create_generator(SOURCE, device=device, dtype=dtype, options=options)
    with tempfile.TemporaryDirectory() as folder:
        random_pipeline().save_pretrained(folder)
        return create_generator(folder, device=device, dtype=dtype, options=options)


def random_pipeline():
    """Return a pipeline of two tiny blocks; drop this where SOURCE is filled in."""
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DModel(
            sample_size=64,
            block_out_channels=(8,),
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),
            layers_per_block=1,
            norm_num_groups=4,
            add_attention=False,
        )
    return DDIMPipeline(unet, DDIMScheduler())
