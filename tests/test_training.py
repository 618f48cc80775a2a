"""The recipe of the mini generators: what learns is what opens, and a stopped run goes on."""

from __future__ import annotations

import pytest
import torch

from panda import Latents, create_generator
from training.lessons import Lessons
from training.mini import export
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
    assert all("output" in key for key in idle)  # of the resolutions that a growing network had
    assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", STUDENTS)
def test_what_learns_is_what_opens(name, tmp_path):
    torch.manual_seed(0)
    student = STUDENTS[name]().eval().requires_grad_(False)
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
    assert generator.resolution == 64
    expected = student(z, label)
    scale = float(expected.abs().max())
    # Half precision on disk; spectral norms take one more step when they open.
    assert float((image - expected).abs().max()) < 0.05 * scale


@pytest.mark.download
def test_a_stopped_run_goes_on_as_if_undisturbed(tmp_path):
    from training.loop import Recipe, Run

    faces = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8)
    codes = torch.randn(40, 512)

    def run(images, folder):
        recipe = Recipe("stylegan2", images=images, batch=4, lessons=8)
        found = Run(recipe, tmp_path / folder, torch.device("cpu"), faces, codes)
        found.train(every=4)
        return found

    for stop in (4, 12):  # among the lessons, and after them
        run(stop, "stopped")
    resumed, whole = run(16, "stopped"), run(16, "whole")
    for a, b in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert len((tmp_path / "whole" / "log.jsonl").read_text().splitlines()) == 4


def test_lessons_are_the_linear_map_from_codes_to_faces():
    torch.manual_seed(0)
    codes, directions = torch.randn(500, 6), torch.randn(6, 3 * 16 * 16) * 8
    faces = (codes @ directions + 128).clamp(0, 255).byte().view(-1, 3, 16, 16)
    lessons = Lessons(codes, faces)
    made = lessons(codes[:9])
    assert made.shape == (9, 3, 16, 16)
    assert float((made - (faces[:9].float() / 127.5 - 1)).abs().mean()) < 0.02
    assert float(lessons.coarse(made + 0.1, codes[:9])) == pytest.approx(0.01, rel=1e-3)
    assert float(lessons.whole(made, codes[:9])) < 1e-9
