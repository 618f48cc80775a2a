"""Pipelines of diffusers give the images of their own call, and keep the contract."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections import Counter
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_pipelines import decoder, library, pipeline, save

from panda import PandaError, create_generator
from panda.cli import main
from panda.errors import PandaWarning
from panda.generators.fixed_noise import FixedNoise
from panda.testing import check_generator

SEEDS = (3, 14)
STEPS = 3
PARITY = 1e-4

FOLDERS = "ddim", "ddpm", "flow", "latent", "dit", "text"

SAMPLERS = [
    *(("ddim", "ddim"), ("ddpm", "ddpm"), ("ddpm", "ddim"), ("flow", "flow"), ("latent", "ddim")),
    *(("dit", "ddim"), ("dit", "ddpm"), ("dit", "dpm")),
    *(("text", name) for name in ("pndm", "ddim", "ddpm", "euler", "euler_a", "dpm", "unipc")),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each pipeline, and the pipelines themselves."""
    home = tmp_path_factory.mktemp("pipelines")
    made = {name: pipeline(name) for name in FOLDERS}
    for name, each in made.items():
        each.set_progress_bar_config(disable=True)
        save(each, home / name)
    index = home / "dit" / "model_index.json"
    names = {str(number): f"thing {number}, other" for number in range(1000)}
    index.write_text(json.dumps(json.loads(index.read_text()) | {"id2label": names}))
    save(decoder(), home / "vae")
    save(decoder("VQModel"), home / "vq")
    return home, made


def opened(folders, name, **options):
    return create_generator(str(folders[0] / name), options=options)


@contextmanager
def drawing(own, latents):
    """Let a pipeline's own call start from these latents, and add our noise to each step."""
    step, draws = own.scheduler.step, FixedNoise(latents.seeds, "it")
    taken = []

    def noisy(*args, **kwargs):
        draws.at(len(taken) + 1)
        taken.append(1)
        kwargs.pop("generator", None)
        with draws:
            return step(*args, **kwargs)

    def start(shape, **_):
        assert tuple(shape) == tuple(latents.tensors["z"].shape)
        return latents.tensors["z"].clone()

    module = __import__(type(own).__module__, fromlist=["randn_tensor"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own.scheduler, "step", noisy)
        patch.setattr(module, "randn_tensor", start)
        yield
    assert taken


def own_images(folders, name, scheduler, generator, latents):
    """The images of the pipeline's own call, in [-1, 1]."""
    from panda_plugins.pipelines.kinds import SAMPLERS as CLASSES

    own = folders[1][name]
    kind = getattr(library(), CLASSES[scheduler])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers' own use of NumPy
        own.scheduler = kind.from_pretrained(folders[0] / name / "scheduler")
    given = {"num_inference_steps": STEPS, "output_type": "np", "return_dict": False}
    if name == "dit":
        given |= {"class_labels": latents.tensors["label"].tolist(), "guidance_scale": 4.0}
    elif name == "text":
        given |= {"prompt": list(latents.labels), "guidance_scale": 7.5}
    else:
        given |= {"batch_size": len(latents)}
    with drawing(own, latents), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers' own use of NumPy
        images = own(**given)[0]
    return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1


@pytest.mark.parametrize(("name", "scheduler"), SAMPLERS)
def test_images_are_those_of_the_pipelines_own_call(name, scheduler, folders):
    generator = opened(folders, name, steps=STEPS, scheduler=scheduler)
    label = {"dit": [7, "thing 4"], "text": ["a red house", "a dog"]}.get(name)
    latents = generator.sample(SEEDS, label=label)
    images = generator(latents).clamp(-1, 1)
    own = own_images(folders, name, scheduler, generator, latents)
    assert float((images - own).abs().max()) <= PARITY
    assert float(own.std()) > 0.05 and float((own[0] - own[1]).abs().max()) > 0.1


@pytest.mark.parametrize("name", ["dit?steps=2", "vae", "vq"])
def test_the_kit_is_green(name, folders):
    assert _faults(folders, name) == {}


@pytest.mark.parametrize(
    "name",
    ["flow?steps=2", "latent?steps=1", "text?steps=1&scheduler=euler_a"],  # guided, with noise
)
def test_the_kit_is_green_but_for_places_that_random_weights_mix(name, folders):
    """With few positions, norms and attention of random weights spread a change everywhere."""
    faults = _faults(folders, name)
    assert set(faults) <= {"aligned"}
    assert "lies in that half" in faults.get("aligned", "lies in that half")


def _faults(folders, name):
    results = check_generator(str(folders[0] / name))
    return {result.check: result.text for result in results if result.status != "ok"}


@contextmanager
def counting(generator, module):
    """How often a module of a generator begins to run."""
    calls = Counter()
    handle = generator.module.get_submodule(module).register_forward_pre_hook(
        lambda *_: calls.update([module])
    )
    try:
        yield lambda: calls.pop(module, 0)
    finally:
        handle.remove()


def test_passes_resume_at_the_step_of_a_layer(folders):
    generator = opened(folders, "text", steps=5)
    latents = generator.sample([0], label="a red house")
    assert len(generator.module.sampler.timesteps) == 6  # PNDM takes one more
    with counting(generator, "network") as calls, counting(generator, "condition") as texts:
        state = generator.head(latents, "mid@2")
        assert (calls(), texts()) == (3, 1)
        later = generator.advance(state, "mid@2", "up.0@4")
        assert (calls(), texts()) == (3, 0)
        generator.tail(later, "up.0@4")
        assert (calls(), texts()) == (2, 0)
        state = generator.head(latents, "vae.up.0")
        assert (calls(), texts()) == (6, 1)
        generator.tail(state, "vae.up.0")
        assert (calls(), texts()) == (0, 0)
        generator.head(latents, "mid@*")
        assert calls() == 6


def test_layers_are_places_and_steps(folders):
    layers = opened(folders, "latent", steps=2).layers
    assert {
        n: (x.channels, x.height) for n, x in layers.items() if n.startswith(("up", "vae"))
    } == {
        **{"up.0@*": (32, 8), "up.0@0": (16, 8), "up.0@1": (16, 8)},
        **{"up.1@*": (16, 8), "up.1@0": (8, 8), "up.1@1": (8, 8)},
        **{"vae.mid": (16, 8), "vae.up.0": (16, 16), "vae.up.1": (8, 16)},
    }
    blocks = opened(folders, "dit", steps=1).layers
    assert (blocks["block.1@0"].channels, blocks["block.1@0"].height) == (16, 4)


def test_one_seed_is_one_image_in_any_batch_where_steps_add_noise(folders):
    generator = opened(folders, "text", steps=2, scheduler="ddpm")
    alone = generator(generator.sample([5], label="a dog"))
    batch = generator(generator.sample([9, 5, 1], label=["a", "a dog", "b"]))
    torch.testing.assert_close(batch[1:2], alone, rtol=0, atol=1e-4)
    again = generator(generator.sample([6], label="a dog"))
    assert float((again - alone).abs().max()) > 0.1


def test_the_steps_of_a_sampler_keep_nothing_for_the_next_pass(folders):
    generator = opened(folders, "text", steps=4, scheduler="unipc")
    latents = generator.sample([0])
    image = generator(latents)
    generator.head(latents, "mid@2")
    assert torch.equal(generator(latents), image)


def test_guidance_and_texts_change_images(folders):
    usual, other, none = (opened(folders, "text", steps=2, guidance=g) for g in (7.5, 5, 1))
    assert other.name.endswith("text?steps=2&guidance=5")
    image = usual(usual.sample([0], label="a red house"))
    assert not torch.equal(image, other(other.sample([0], label="a red house")))
    assert not torch.equal(image, usual(usual.sample([0], label="a dog")))
    assert torch.equal(usual(usual.sample([0])), usual(usual.sample([0], label="")))
    # Nothing to be guided away from: both halves are of no text.
    plain = none(none.sample([0]))
    torch.testing.assert_close(usual(usual.sample([0])), plain, rtol=0, atol=1e-4)


def test_a_text_that_is_too_long_is_cut_with_a_warning(folders):
    generator = opened(folders, "text", steps=1)
    with pytest.warns(PandaWarning, match="reads 32 tokens, of which this text has 42; it ends"):
        long = generator.sample([0], label="a" * 40)
    assert torch.equal(long.tensors["text"][0, -1], torch.tensor(1))


def test_classes_have_the_names_that_the_folder_gives(folders):
    generator = opened(folders, "dit", steps=1)
    assert generator.labels[:2] == ("thing 0", "thing 1") and len(generator.labels) == 1000
    assert generator.sample([0], label="thing 7").labels == (7,)
    drawn = generator.sample(range(20)).tensors["label"]
    assert len(set(drawn.tolist())) > 10


def test_the_weights_of_the_folder_are_used_as_they_are(folders):
    """No second copy: a pipeline takes the memory of its own tensors."""
    from panda.checkpoints.read import read_checkpoint
    from panda.generators.registry import recognize

    checkpoint = read_checkpoint(folders[0] / "text")
    _, architecture = recognize(checkpoint)
    before = {tensor.data_ptr() for tensor in checkpoint.tensors.values()}
    cpu = torch.device("cpu")
    options = {"steps": 1, "scheduler": "own", "guidance": 5.0}
    generator = architecture.build(checkpoint, cpu, torch.float32, **options)
    own = dict(generator.module.named_parameters())
    aligned = [p for p in own.values() if p.data_ptr() in before]
    assert len(aligned) > 0.2 * len(own)
    assert not any("encoder.down" in name or "quant_conv" in name[:20] for name in own)


def test_a_changed_scheduler_is_another_generator(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders[0] / "ddim", copy)
    same = create_generator(str(copy), options={"steps": 1})
    assert same.digest == opened(folders, "ddim", steps=1).digest
    _change(copy / "scheduler" / "scheduler_config.json", beta_end=0.03)
    assert create_generator(str(copy), options={"steps": 1}).digest != same.digest


def test_one_file_of_a_pipeline_opens_too(folders, tmp_path, capsys):
    assert (
        main(["convert", str(folders[0] / "text"), "--out", str(tmp_path / "it.safetensors")]) == 0
    )
    whole = create_generator(str(tmp_path / "it.safetensors"), options={"steps": 2})
    own = opened(folders, "text", steps=2)
    assert whole.digest == own.digest
    assert torch.equal(whole(whole.sample([0], label="a")), own(own.sample([0], label="a")))


def test_info_shows_options_and_no_whole_tokenizer(folders, capsys):
    assert main(["info", f"{folders[0] / 'text'}?steps=1&guidance=1"]) == 0
    told = capsys.readouterr().out
    assert "\nguidance               1  the scale of classifier-free" in told
    assert "... (--json has all)\n" in told and max(map(len, told.splitlines())) < 2100
    assert "\nvae.up.1" in told


def _change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


REFUSED = [
    ("ddim", "model_index.json", {"_class_name": "MyPipeline"}, "of no known architecture"),
    ("ddim", "model_index.json", {"unet": ["mynets", "UNet2DModel"]}, "is run"),
    ("ddim", "model_index.json", {"unet": ["diffusers", "MyUNet"]}, "expected UNet2DModel"),
    ("ddim", "model_index.json", {"../x": ["diffusers", "UNet2DModel"]}, "expected a plain name"),
    ("dit", "model_index.json", {"transformer": [None, None]}, "has no transformer"),
    (
        "flow",
        "model_index.json",
        {"scheduler": ["mine", "MyScheduler"]},
        "scheduler is MyScheduler",
    ),
    ("ddim", "unet/config.json", {"layers_per_block": 10**7}, "more than any has"),
    ("ddim", "unet/config.json", {"block_out_channels": [8] * 999}, "more than any has"),
    ("ddim", "unet/config.json", {"block_out_channels": [8, 32]}, "of another shape"),
    ("ddim", "unet/config.json", {"sample_size": "big"}, "sample_size"),
    ("ddim", "scheduler/scheduler_config.json", {"num_train_timesteps": 10**9}, "num_train"),
    ("ddim", "scheduler/scheduler_config.json", {"beta_schedule": "odd"}, "does not take this"),
    ("text", "text_encoder/config.json", {"num_hidden_layers": 10**6}, "more than any has"),
    ("text", "tokenizer/tokenizer.json", {"model": 3}, "tokenizer cannot be read"),
    ("text", "tokenizer/tokenizer_config.json", {"model_max_length": 10**9}, "model_max_length"),
    ("dit", "transformer/config.json", {"sample_size": 10**5}, "more than any has"),
    ("dit", "transformer/config.json", {"num_embeds_ada_norm": 0}, "no classes"),
    ("dit", "transformer/config.json", {"attention_head_dim": 10**6}, "more than any has"),
    ("dit", "transformer/config.json", {"patch_size": 0}, "does not take this config: Zero"),
    ("ddim", "unet/config.json", {"norm_num_groups": 5}, "does not take this config: ValueError"),
    ("ddim", "unet/config.json", {"sample_size": 16384}, "at most 2048"),
    ("text", "unet/config.json", {"sample_size": 2048}, "at most 1024"),
    ("text", "text_encoder/config.json", {"num_attention_heads": 3}, "attention heads .3."),
    ("text", "tokenizer/tokenizer_config.json", {"model_max_length": 1}, "expected 2 to 1024"),
    ("text", "tokenizer/tokenizer_config.json", {"model_max_length": "x"}, "expected 2 to 1024"),
    ("ddim", "model_index.json", {"scheduler": 5}, "scheduler=5, expected a library and a class"),
]


@pytest.mark.parametrize(("name", "file", "values", "said"), REFUSED)
def test_what_is_no_pipeline_of_these_libraries_is_one_sentence(
    name, file, values, said, folders, tmp_path
):
    shutil.copytree(folders[0] / name, tmp_path / name)
    _change(tmp_path / name / file, **values)
    with pytest.raises(PandaError, match=said):
        create_generator(str(tmp_path / name), options={"steps": 1})


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("flow", {"scheduler": "ddim"}, "was trained for flow matching"),
        ("ddim", {"scheduler": "flow"}, "was trained for diffusion"),
        ("ddim", {"guidance": 2}, "has no option 'guidance'"),
        ("ddim", {"scheduler": "dimm"}, "did you mean 'ddim'"),
        ("vae", {"steps": 2}, "has no option 'steps'"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(name, options, said, folders):
    with pytest.raises(PandaError, match=said):
        opened(folders, name, **options)


def test_a_network_alone_takes_a_usual_schedule_with_a_warning(folders):
    with pytest.warns(PandaWarning, match="of a network alone.*: ddim with diffusers' usual"):
        alone = opened(folders, "ddim/unet", steps=2)
    whole = opened(folders, "ddim", steps=2)
    assert torch.equal(alone(alone.sample([0])), whole(whole.sample([0])))


def test_labels_are_refused_where_there_are_none(folders):
    generator = opened(folders, "ddim", steps=1)
    with pytest.raises(PandaError, match="has no classes"):
        generator.sample([0], label=1)
    with pytest.raises(PandaError, match="no truncation"):
        generator.sample([0], truncation=0.5)


def test_text_that_is_not_unicode_is_one_sentence(folders):
    with pytest.raises(PandaError, match="is not Unicode"):
        opened(folders, "text", steps=1).sample([0], label="a red house\udcff")


def test_a_tokenizer_of_another_text_encoder_is_one_sentence(folders, tmp_path):
    shutil.copytree(folders[0] / "text", tmp_path / "text")
    weights = tmp_path / "text" / "text_encoder" / "model.safetensors"
    tensors = load_file(weights)
    (name,) = (name for name in tensors if name.endswith("token_embedding.weight"))
    save_file(tensors | {name: tensors[name][:20].clone()}, weights)
    _change(tmp_path / "text" / "text_encoder" / "config.json", vocab_size=20)
    generator = create_generator(str(tmp_path / "text"), options={"steps": 1})
    with pytest.raises(PandaError, match="tokenizer of another text_encoder.*knows 20"):
        generator.sample([0], label="a red house")


def test_without_the_extra_one_sentence_says_how_to_get_it(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers.models.unets.unet_2d", None)
    with pytest.raises(PandaError, match="needs diffusers.*pip install 'panda-parts.diffusers"):
        opened(folders, "ddim", steps=1)
