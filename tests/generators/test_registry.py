import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import torch
from conftest import GOLDENS
from snippets import ROOT
from toy_plugins import Point

from panda import PandaError, create_generator, list_generators
from panda.cli import main
from panda.errors import PandaWarning
from panda.generators import hookspecs, registry
from panda.generators.entries import find_entries


def test_the_built_in_plugins_come_through_the_same_door():
    registry.plugins.cache_clear()
    assert "mobilestylegan-ffhq-1024" in list_generators("mobile*")
    assert all(plugin.error is None for plugin in registry.plugins())


def test_generators_of_a_plugin_are_listed_by_pattern(install):
    install(good="Good")
    assert list_generators() == ["toy-a", "toy-b"]
    assert list_generators("*-b") == ["toy-b"]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("Missing", "No module named 'gone'"),
        ("Raises", "no CUDA here"),
        ("WrongType", "gave list, expected {name: Card}"),
        ("WrongCard", "gave 'toy': str"),
        ("Misspelt", "unknown hook 'panda_generator'"),
        ("NoHook", "has no hook panda_generators, panda_architectures or panda_scores"),
        ("WrongArguments", "names"),
        ("Yields", "gave generator, expected {name: Card}"),
        ("WrongArchitecture", "gave 'Toy': str, expected a name and Architecture"),
        ("Exits", "SystemExit: it wants another Python"),
        ("AssertsCuda", "AssertionError: assert torch.cuda.device_count() > 99 (/"),
        ("WrongScore", "panda_scores gave 'area': function, expected a name and Score"),
    ],
)
def test_one_broken_plugin_is_a_warning_that_names_it_and_the_rest_works(install, broken, sentence):
    install(broken=broken, good="Good")
    with pytest.warns(PandaWarning, match="plugin 'broken' is left out") as caught:
        assert list_generators() == ["toy-a", "toy-b"]
    assert sentence in str(caught[0].message)
    assert {p.name: p.error is None for p in registry.plugins()} == {"broken": False, "good": True}


def test_a_plugin_that_asserts_at_import_is_left_out_with_the_assertion_and_its_place(
    install, monkeypatch, tmp_path
):
    (tmp_path / "wants_a_gpu.py").write_text(
        "import torch\nassert torch.cuda.device_count() > 99\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Point, "load", EntryPoint.load)
    install(broken="wants_a_gpu")
    with pytest.warns(PandaWarning) as caught:
        registry.plugins()
    assert str(caught[0].message) == (
        "plugin 'broken' is left out: AssertionError: assert torch.cuda.device_count() > 99"
        f" ({tmp_path / 'wants_a_gpu.py'}, line 2)"
    )


def test_a_name_registered_twice_is_a_warning_and_the_first_stays(install):
    install(good="Good", same="Same")
    with pytest.warns(PandaWarning, match="'same' brings generator 'toy-b', which plugin 'good'"):
        assert list_generators() == ["toy-a", "toy-b", "toy-c"]


def test_one_pattern_alone_finds_entries_too(install):
    install(good="Good")
    assert [entry.name for entry in find_entries("toy-*")] == ["toy-a", "toy-b"]


def test_panda_plugins_limits_what_loads(install, monkeypatch):
    monkeypatch.setenv("PANDA_PLUGINS", "same")
    install(good="Good", same="Same", broken="Raises")
    assert list_generators() == ["toy-b", "toy-c"]


def test_panda_plugins_warns_of_a_name_that_is_none(install, monkeypatch):
    monkeypatch.setenv("PANDA_PLUGINS", "good, sane")
    install(good="Good", same="Same")
    with pytest.warns(
        PandaWarning, match="PANDA_PLUGINS names 'sane', which is not .* mean 'same'"
    ):
        assert list_generators() == ["toy-a", "toy-b"]


def test_an_unknown_generator_names_the_nearest(install):
    install(good="Good")
    with pytest.raises(PandaError, match="no generator 'toy-d'; did you mean 'toy-"):
        create_generator("toy-d")


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        ("stylegan3", "did you mean 'mini-stylegan3-faces-64' or 'stylegan3-r-afhqv2-512' or "),
        ("FFHQ 256", r"'stylegan2-ffhq-256' or .*\? \(\d+ names match; see 'panda list'\)"),
        ("proggan", r"did you mean 'mini-proggan-faces-64'\?$"),
        ("horse-stylegan2", r"did you mean 'stylegan2-horse-256'\?$"),
    ],
)
def test_a_part_of_names_suggests_the_names_that_contain_it(part, hint):
    with pytest.raises(PandaError, match=f"there is no generator '{part}'; .*{hint}"):
        create_generator(part)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "netG.pth").touch()
    monkeypatch.chdir(tmp_path)
    for given, sentence in {
        "netg.pth": "there is no generator 'netg.pth' and no such file; valid: ",
        "./netg.pth": r"there is no file 'netg.pth'; did you mean 'netG.pth'\?$",
        str(tmp_path / "netg.pth"): f"did you mean '{tmp_path}/netG.pth'",
        "./other": "there is no file 'other'$",
        "weights/netG.pth": "there is no file 'weights/netG.pth': no folder 'weights'$",
    }.items():
        with pytest.raises(PandaError, match=sentence):
            create_generator(given)


@pytest.mark.parametrize("given", [torch.nn.Linear(3, 3), None, 3])
def test_what_is_no_name_and_no_file_is_one_sentence(given):
    kind = type(given).__name__
    with pytest.raises(
        PandaError, match=f"^a {kind} was given, expected a name or a file; panda.T"
    ):
        create_generator(given)


def test_a_path_and_torchs_own_names_will_do():
    path = GOLDENS / "stylegan2-ada" / "network.pkl"
    generator = create_generator(path, device=torch.device("cpu"), dtype=torch.float64)
    assert generator.sample([0]).tensors["w"].dtype == torch.float64
    with pytest.raises(PandaError, match="dtype 'int8' is not supported"):
        create_generator(path, dtype=torch.int8)


@pytest.mark.parametrize("device", ["tpu", "hpu", "meta"])
def test_an_unusable_device_is_one_sentence(device):
    with pytest.raises(PandaError, match=f"device '{device}' cannot be used here"):
        create_generator("mobilestylegan-ffhq-1024", device=device)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("toy-key", "generator 'toy-key' cannot be loaded: KeyError: 'weights'"),
        ("toy-import", "generator 'toy-import' cannot be loaded: ImportError: No module named"),
        ("toy-exit", "generator 'toy-exit' cannot be loaded: SystemExit: it wants a GPU"),
        ("toy-no", "toy-no: it wants a GPU"),
        ("toy-none", "loading 'toy-none' gave a NoneType, expected a panda.Generator"),
    ],
)
def test_a_backend_that_crashes_in_load_is_one_sentence_and_exit_2(install, capsys, name, sentence):
    install(broken="CrashesInLoad")
    with pytest.raises(PandaError, match=sentence):
        create_generator(name)
    assert main(["check", name]) == 2
    assert sentence in capsys.readouterr().err


HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("panda_"))


def test_the_hooks_are_those_that_the_pages_show():
    pages = [ROOT / "docs" / name for name in ("backends.md", "contract.md")]
    page = "".join(path.read_text(encoding="utf-8") for path in pages)
    implemented = set(re.findall(r"@hookimpl\ndef (panda_\w+)\(", page))
    assert implemented == set(HOOKS)
    assert set(re.findall(r"`(panda_\w+)`", page)) == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_what_it_returns_and_the_registry_asks_for_it(hook, install, monkeypatch):
    sentence = inspect.getdoc(getattr(hookspecs, hook))
    assert sentence.startswith("Return ``{name: ")
    asked = []
    monkeypatch.setattr(registry, "_ask", lambda manager, name, others, kind: asked.append(name))
    install(good="Good")
    with pytest.warns(PandaWarning, match="it has no hook"):
        registry.plugins()
    assert hook in asked


@pytest.mark.parametrize("verb", [["list"], ["info", "mobilestylegan-ffhq-1024"], ["plugins"]])
def test_the_catalog_starts_without_torch_and_speaks_json(verb):
    program = (
        "import sys; from panda.cli import main; code = main(sys.argv[1:]);"
        "print('torch' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *verb, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)
    assert done.stderr == "False\n"


def test_a_plugin_may_bring_scores_alone(install):
    install(good="Good", scoring="Scoring")
    assert list(registry.scores()) == ["area"]
    assert all(plugin.error is None for plugin in registry.plugins())


def faulty(folder, name, text):
    """Write a module in which something is wrong, and the entry point of it."""
    (folder / f"{name}.py").write_text(text)
    return EntryPoint("mine", name, "panda")


LOADS = """\
from panda import Card, hookimpl
import torch

def load(device, dtype):
    return torch.zeros(2) @ torch.zeros(3)

@hookimpl
def panda_generators():
    return {"mine": Card("Mine", "none", 16, "MIT", "here", load=load)}
"""


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("mine_syntax", "import os\nif:\n", "{file}, line 2"),
        ("mine_import", "import os\nimport gone\n", "{file}, line 2"),
        (
            "mine_hook",
            "from panda import hookimpl\n\n@hookimpl\ndef panda_generators():\n    return {}[0]\n",
            "{file}, line 5",
        ),
        ("mine_nothing", "x = 1\n", "mine_nothing"),
    ],
)
def test_the_warning_of_a_plugin_names_file_and_line(tmp_path, monkeypatch, name, text, place):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: [faulty(tmp_path, name, text)])
    registry.plugins.cache_clear()
    try:
        with pytest.warns(PandaWarning) as caught:
            registry.plugins()
    finally:
        registry.plugins.cache_clear()
    expected = place.format(file=tmp_path / f"{name}.py")
    assert str(caught[0].message).endswith(f"({expected})")


def test_a_generator_that_fails_to_load_names_the_plugins_own_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: [faulty(tmp_path, "mine", LOADS)])
    registry.plugins.cache_clear()
    try:
        with pytest.raises(PandaError, match="'mine' cannot be loaded: RuntimeError") as caught:
            create_generator("mine")
    finally:
        registry.plugins.cache_clear()
    assert str(caught.value).endswith(f"({tmp_path / 'mine.py'}, line 5)")


def test_two_plugins_of_one_name_are_a_sentence(install, monkeypatch):
    install(good="Good")
    twins = [*registry.entry_points(group="panda"), Point("good", "Same", "panda")]
    monkeypatch.setattr(registry, "entry_points", lambda group: twins)
    with pytest.warns(PandaWarning, match="'good' is left out: .*another plugin has that name"):
        registry.plugins()
