"""The training of the mini generators: exported files open, and a stopped run resumes."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from test_full_disks import room

from panda import Latents, create_generator
from panda.checkpoints.read import read_checkpoint
from panda.errors import DiskError
from panda.files.locks import hold_folder
from panda_plugins.flow import checkpoint as latent_flow
from panda_plugins.vae import checkpoint as vae_file
from training import autoencoder, flow, vae
from training.augment import Augmentation
from training.codes import principal_coordinates
from training.descent import Descent, Pace
from training.loop import Run, train
from training.mini import export, main, mean_weights
from training.recipe import Recipe
from training.students import STUDENTS


def inputs(student, count=3):
    z = torch.randn(count, student.z_dim, generator=torch.Generator().manual_seed(1))
    return z, torch.arange(count) % student.classes if student.classes else None


@pytest.mark.parametrize("name", STUDENTS)
def test_gradients_reach_every_parameter_in_use(name):
    torch.manual_seed(0)
    student = STUDENTS[name]()
    student(*inputs(student)).square().sum().backward()
    idle = [key for key, p in student.named_parameters() if p.grad is None]
    assert all("output" in key for key in idle)  # of lower resolutions, as in progressive growing
    assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", STUDENTS)
def test_the_exported_generator_gives_the_same_images(name, tmp_path, monkeypatch):
    torch.manual_seed(0)
    student = STUDENTS[name]().eval().requires_grad_(False)
    if name == "biggan":  # few samples will do
        few = partial(student.network.accumulate_statistics, batches=1, size=16)
        monkeypatch.setattr(student.network, "accumulate_statistics", few)
    student.finish()
    export(student, tmp_path / "mini.safetensors")
    generator = create_generator(str(tmp_path / "mini.safetensors"))
    z, label = inputs(student)
    tensors = {"z": z}
    if label is not None:
        tensors["label"] = torch.nn.functional.one_hot(label, student.classes).float()
    if hasattr(generator, "truncate"):
        tensors["w"] = generator.truncate(generator.map(z), 1.0)
    image = generator.forward(Latents((0, 1, 2), tensors))
    assert generator.size == (64, 64)
    expected = student(z, label)
    scale = float(expected.abs().max())
    # Half precision on disk; spectral norms take one more step when they open.
    assert float((image - expected).abs().max()) < 0.05 * scale


@pytest.mark.parametrize("wrong", [("--batch", "1"), ("--images", "0")])
def test_batches_of_one_and_no_images_are_refused(wrong, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mini", "stylegan2", *wrong])
    with pytest.raises(SystemExit):
        main()
    assert "at least one image, and batches of at least two" in capsys.readouterr().err


def test_a_polish_begins_from_the_mean_of_earlier_runs(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    first, second = STUDENTS["stylegan3"](), STUDENTS["stylegan3"]()
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for student, file in zip((first, second), files, strict=True):
        export(student, file)
    mean = mean_weights(files)
    first.network.load_state_dict(mean)
    name = "mapping.fc0.weight"
    expected = [read_checkpoint(file).tensors[name].float() for file in files]
    torch.testing.assert_close(mean[name].float(), sum(expected) / 2, atol=1e-3, rtol=1e-3)

    monkeypatch.setattr("sys.argv", ["mini", "stylegan3", "--polish"])
    with pytest.raises(SystemExit):
        main()
    assert "--polish needs --start" in capsys.readouterr().err


def test_a_run_in_the_folder_of_another_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["mini", "stylegan2", "--folder", str(tmp_path)])
    monkeypatch.setattr("training.mini.load_faces", lambda *_: pytest.fail("it began"))
    with (
        hold_folder(tmp_path / "stylegan2"),
        pytest.raises(SystemExit, match="another run is at work in .*stylegan2; wait for it"),
    ):
        main()


def test_a_line_of_the_log_that_a_kill_cut_short_is_gone_after_the_next_one(tmp_path):
    class Logged(Run):
        def __init__(self):
            self.folder, self.recipe, self.step = tmp_path, Recipe("stylegan2"), 1
            self.sums, self.seconds, self.started = {"discriminator": 2.0}, 0.0, 0.0

        def grid(self):
            """Nothing is trained here."""

    (tmp_path / "log.jsonl").write_text('{"images": 2}\n{"images": 4, "sec')
    Logged()._log(1)
    whole, line = (tmp_path / "log.jsonl").read_text().splitlines()
    assert whole == '{"images": 2}'
    assert json.loads(line)["discriminator"] == 2.0


def test_a_state_that_the_disk_has_no_room_for_leaves_the_earlier_one(tmp_path):
    class Saved(Run):
        def __init__(self):
            self.folder, self.recipe, self.step = tmp_path, Recipe("stylegan2"), 1
            self.seconds, self.faces, self.device = 0.0, [], torch.device("cpu")

        def _stateful(self):
            return {"average": torch.nn.Linear(100, 100)}

    run = Saved()
    run._checkpoint.write_text("earlier")
    with room(20_000), pytest.raises(DiskError, match=f"cannot write {run._checkpoint}: File too"):
        run.save()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.download
def test_a_stopped_run_resumes_as_if_uninterrupted(tmp_path):
    faces = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8)
    codes = torch.randn(40, 512)

    def run(images, folder):
        recipe = Recipe("stylegan2", images=images, batch=4, pretraining_steps=2)
        result = Run(recipe, tmp_path / folder, torch.device("cpu"), faces, codes)
        train([result], log_every=1)
        return result

    for stop in (4, 12):  # in pretraining, and after it
        run(stop, "stopped")
    resumed, whole = run(16, "stopped"), run(16, "whole")
    for a, b in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert len((tmp_path / "whole" / "log.jsonl").read_text().splitlines()) == 4


def test_batches_share_the_same_augmentations():
    torch.manual_seed(0)
    augment = Augmentation(5, torch.device("cpu"))
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    assert torch.equal(augment(images), augment(images))
    augmented = augment(images.requires_grad_())
    assert augmented.shape == images.shape
    augmented.sum().backward()
    assert images.grad.isfinite().all()


def test_codes_of_unit_variance_lead_with_what_varies_most():
    axes = torch.linalg.qr(torch.randn(512, 512)).Q
    w = torch.randn(600, 512) * torch.tensor([9.0] + [1.0] * 511) @ axes.T + 3
    codes = principal_coordinates(w)
    assert codes.shape == (600, 512)
    leading = torch.corrcoef(torch.stack([codes[:, 0], (w @ axes)[:, 0]]))[0, 1]
    assert abs(float(leading)) > 0.9
    assert float(codes[:, :64].std()) == pytest.approx(1, abs=0.1)


class Line:
    """Descent on the distance of a line from random points."""

    def __init__(self, folder, steps, **settings):
        torch.manual_seed(0)
        self.network = torch.nn.Linear(3, 1)
        self.run = Descent(folder, self.network, Pace(steps, 1e-2, warmup=2), settings)
        self.run.run(self.draw, self.loss, every=1)

    def draw(self, random):
        return torch.randn(6, 3, generator=random), torch.randn(6, 1, generator=random)

    def loss(self, x, y):
        return {"total": (self.network(x) - y).square().mean()}


def test_a_stopped_descent_resumes_as_if_uninterrupted(tmp_path):
    class Stopped(Line):
        left = 3

        def draw(self, random):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().draw(random)

    with pytest.raises(KeyboardInterrupt):
        Stopped(tmp_path / "stopped", 6)
    resumed, whole = Line(tmp_path / "stopped", 6), Line(tmp_path / "whole", 6)
    assert torch.equal(resumed.network.weight, whole.network.weight)
    assert torch.equal(resumed.run.average.weight, whole.run.average.weight)
    rows = (tmp_path / "stopped/log.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert Line(tmp_path / "stopped", 8).run.step == 8  # it may go on for longer
    with pytest.raises(SystemExit, match="contains a run with other settings"):
        Line(tmp_path / "stopped", 8, batch=3)


def test_threads_share_the_samples_of_a_descent(tmp_path, monkeypatch):
    alone = Line(tmp_path / "alone", 3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    shared = Line(tmp_path / "shared", 3)
    torch.testing.assert_close(shared.network.weight, alone.network.weight)


def test_a_descent_ends_where_its_loss_is_no_number(tmp_path):
    class Broken(Line):
        def loss(self, x, y):
            return {"total": super().loss(x, y)["total"] * float("nan")}

    with pytest.raises(SystemExit, match="not finite by step 1"):
        Broken(tmp_path, 2)


def test_the_exported_diffusion_model_samples_as_in_training(tmp_path):
    torch.manual_seed(0)
    latents = torch.randn(5, autoencoder.LATENTS, autoencoder.SIDE, autoencoder.SIDE) * 3 + 1
    network = flow.new_network(autoencoder.untrained(), latents).requires_grad_(False)
    torch.testing.assert_close(network.decoder.deviation, latents.std((0, 2, 3), keepdim=True))
    flow.export(network, tmp_path / "flow.safetensors")
    checkpoint = read_checkpoint(tmp_path / "flow.safetensors")
    assert latent_flow.recognizes(checkpoint)
    generator = latent_flow.from_checkpoint(checkpoint, torch.device("cpu"), torch.float32)
    z = generator.sample([0, 1])
    expected = network.decoder(flow.sample(network.unet, z.tensors["z"]))
    gap = float((generator.forward(z) - expected).abs().max())
    assert gap < 0.05 * float(expected.abs().max())  # half precision on disk


def test_the_exported_vae_gives_the_same_images(tmp_path):
    torch.manual_seed(0)
    decoder = vae.untrained().decoder.requires_grad_(False)
    vae.export(decoder, tmp_path / "vae.safetensors")
    checkpoint = read_checkpoint(tmp_path / "vae.safetensors")
    assert vae_file.recognizes(checkpoint)
    generator = vae_file.from_checkpoint(checkpoint, torch.device("cpu"), torch.float32)
    z = generator.sample([0, 1])
    expected = decoder(z.tensors["z"])
    gap = float((generator.forward(z) - expected).abs().max())
    assert gap < 0.05 * float(expected.abs().max())


def test_the_vae_begins_with_the_fine_stages_of_the_autoencoder():
    torch.manual_seed(0)
    decoder, network = autoencoder.untrained().decoder, vae.untrained().decoder
    vae.begin_from(network, decoder)
    x, first = torch.randn(2, autoencoder.CHANNELS[0], 16, 16), 2
    for block, other in zip(
        network.stages.stages[first].blocks, decoder.stages.stages[0].blocks, strict=True
    ):
        torch.testing.assert_close(block(x, torch.randn(2, 128)), other(x))
    x, condition = decoder.stages.run(x, 0, 1), torch.randn(2, 128)
    fine = network.stages.run(x, first + 1, first + 3, condition)
    torch.testing.assert_close(fine, decoder.stages.run(x, 1, 3))
    torch.testing.assert_close(network.stages.to_image(fine), decoder.stages.to_image(fine))


@pytest.mark.parametrize("kind", [autoencoder, vae])
def test_gradients_reach_encoder_and_decoder(kind):
    torch.manual_seed(0)
    network = kind.untrained()
    mean, log_variance = network.encoder(torch.randn(2, 3, 64, 64))
    loss = autoencoder.kl_divergence(mean, log_variance) + network.decoder(mean).square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    flat = torch.zeros(2, 3)
    assert float(autoencoder.kl_divergence(flat, flat)) == 0


@pytest.mark.download
def test_an_autoencoder_learns_and_stops_and_resumes(tmp_path):
    faces = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    for steps in (1, 2):
        torch.manual_seed(0)
        run = autoencoder.train(
            tmp_path,
            autoencoder.untrained(),
            faces,
            Pace(steps, 1e-3),
            latents=(autoencoder.LATENTS, autoencoder.SIDE, autoencoder.SIDE),
            kl_weight=0.02,
            batch=2,
        )
    assert run.step == 2
    encoded = autoencoder.trained(tmp_path).encode(faces)
    assert encoded.shape == (8, autoencoder.LATENTS, autoencoder.SIDE, autoencoder.SIDE)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
