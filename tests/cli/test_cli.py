import json
import warnings

import pytest
import torch
from PIL import Image

from panda import PandaError
from panda.cli import main
from panda.factorization.fit import fit
from panda.report.page import Figure, Page
from panda.report.table import Table

ALWAYS = ["config.json", "made_by_panda.json", "sheet.png"]
IMAGES = ["0002.png", "0005.png", *ALWAYS]


@pytest.fixture
def factors(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("panda.cli.rendering.create_generator", lambda name, device: tiny)
    monkeypatch.setattr("panda.cli.fit.create_generator", lambda name, device: tiny)
    fit(tiny, "b", parts=4, seeds=range(60)).save(tmp_path / "factors")
    return str(tmp_path / "factors")


def test_fit_writes_factors_and_prints_json(factors, tmp_path, capsys):
    out = tmp_path / "new"
    arguments = ["fit", "tiny", "a", "--parts", "3", "--seeds", "0-29", "--json", "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["seeds"] == "0-29"
    assert "loss 0." in said.err
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("30", "1 sample is fitted, seed 30; for 30 samples give --seeds 0-29"),
        ("0", "1 sample is fitted, seed 0"),
        ("0-29", None),
    ],
)
def test_a_fit_of_a_single_sample_says_so(factors, tmp_path, capsys, seeds, said):
    words = ["fit", "tiny", "b", "--parts", "2", "--seeds", seeds, "--out", str(tmp_path / "one")]
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "is fitted" in line]
    assert lines == ([said] if said else [])


@pytest.mark.parametrize(
    ("verb", "files"),
    [
        (["parts"], ALWAYS),
        (["parts", "--refine"], ALWAYS),
        (
            ["edit", "--edit", "0:p0:5sd", "--edit", "1+2:3:-4"],
            IMAGES,
        ),
        (["edit", "--edit", "0:0:5", "--refine"], IMAGES),
        (["refine"], [*ALWAYS[:2], "parts.safetensors", "sheet.png"]),
        (["localize"], IMAGES),
        (["localize", "--appearance", "bg"], IMAGES),
        (
            ["localize", "--appearance", "p1", "--part", "2", "--threshold", "mean"],
            IMAGES,
        ),
        (["remove", "--parts", "0,2-3"], IMAGES),
    ],
)
def test_verbs_write_full_size_pictures_and_a_sheet(factors, tmp_path, verb, files):
    out = tmp_path / "out"
    assert main([verb[0], factors, *verb[1:], "--seeds", "2,5", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == files
    for path in out.glob("0*.png"):
        with Image.open(path) as picture:
            assert picture.size == (16, 16)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "mobilestylegan"], "did you mean 'mobilestylegan-ffhq-1024'"),
        (["list", "nothing*"], "no generator matches"),
        (["fit", "g", "b", "--seeds", "9-1", "--out", "OUT"], "runs backwards"),
        (["fit", "g", "d", "--out", "OUT"], "has no layer 'd'"),
        (["fit", "g", "b", "--parts", "65", "--out", "OUT"], "65 parts were asked for"),
        (["fit", "g", "b", "--solver", "pape", "--out", "OUT"], "no 'pape'; did you mean 'paper'?"),
        (["edit", "FACTORS", "--edit", "x", "--out", "OUT"], "'x' is no edit"),
        (["edit", "FACTORS", "--edit", "9:0:1", "--out", "OUT"], "parts 0 to 3"),
        (["edit", "missing", "--edit", "0:0:1", "--out", "OUT"], "there is no 'missing'"),
        (["remove", "FACTORS", "--parts", "7", "--out", "OUT"], "parts 0 to 3"),
        (["localize", "FACTORS", "--appearance", "p0", "--out", "OUT"], "such as --part 0"),
        (["parts", "FACTORS", "--seeds", "one", "--out", "OUT"], "cannot be read"),
        (["parts", "missing", "--out", "OUT"], "'panda fit GENERATOR LAYER --out missing'"),
        (["parts", "FACTORS", "--psi", "x", "--out", "OUT"], "'x' is not a finite number"),
        (["parts", "FACTORS", "--psi", "-3", "--out", "OUT"], "truncation -3 is out of range"),
        (["fit", "g", "b", "--psi", "3", "--out", "OUT"], "truncation 3 is out of range"),
        (["fti"], "no verb 'fti'; did you mean 'fit' or 'fetch'"),
        (["benchmark", "removals"], "no kind 'removals'; did you mean 'removal'?"),
        (["fit", "g", "b", "--sead", "3"], "no option '--sead'; did you mean --seeds"),
        (
            ["fit", "g", "b", "--part", "4", "--out", "OUT"],
            "no option '--part'; did you mean --parts?",
        ),
        (
            ["edit", "FACTORS", "--edit", "0:0:1", "--seed=0", "--out", "OUT"],
            "no option '--seed'; did you mean --seeds?",
        ),
        (["fit", "g", "b", "--app", "4"], "no option '--app'; did you mean --appearances?"),
        (
            ["fit", "g", "b", "--out", "OUT", "x"],
            "unexpected argument 'x' (see 'panda fit --help')",
        ),
        (["fit", "g"], "arguments are required: LAYER, --out (see 'panda fit --help')"),
        (
            ["localize", "FACTORS", "--appearance", "bg", "--threshold", "osu"],
            "did you mean 'otsu'",
        ),
    ],
)
def test_bad_input_is_one_sentence_exit_2_and_nothing_written(
    factors, tmp_path, capsys, arguments, said
):
    out = tmp_path / "out"
    places = {"OUT": str(out), "FACTORS": factors}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert error.startswith("panda: ")
    assert not out.exists()


@pytest.mark.parametrize("kind", [PandaError, OSError])
def test_what_files_and_servers_say_neither_steers_the_terminal_nor_floods_it(
    monkeypatch, capsys, kind
):
    def fails(options):
        warnings.warn("bell \a", stacklevel=1)
        raise kind(f"\x1b]0;title\x07 two\nlines \udc80 \u202e café {'x' * 100_000} the remedy")

    monkeypatch.setattr("panda.cli.catalog.show_list", fails)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["list"]) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert warning == r"panda: warning: bell \x07"
    assert error.startswith(r"panda: \x1b]0;title\x07 two\nlines \udc80 \u202e café xxx")
    assert error.endswith("x the remedy")
    assert len(error) < 3000


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 1024.00 MiB. GPU 0 has a total capacity of 79.18"
            " GiB of which 1015.88 MiB is free."
        ),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 1024.00 MiB"
        ),
    ],
)
def test_too_little_memory_is_a_sentence(monkeypatch, capsys, error):
    def fails(options):
        raise error

    monkeypatch.setattr("panda.cli.catalog.show_list", fails)
    assert main(["list"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("panda: not enough memory (")
    assert said.endswith("allocate 1024.00 MiB); end what else uses it, or take another --device")


def test_an_interrupted_fit_says_that_the_same_command_resumes(
    factors, tiny, tmp_path, monkeypatch, capsys
):
    journal, head, written = tmp_path / ".new.fit", tiny.head, [False]

    def interrupted(*arguments):
        if (journal / "0-of-1.sums").exists() or not written[0]:
            raise KeyboardInterrupt
        return head(*arguments)

    command = ["fit", "tiny", "b", "--parts", "2", "--seeds", "0-9", "--out", str(tmp_path / "new")]
    with monkeypatch.context() as patch:
        patch.setattr(tiny, "head", interrupted)
        assert main(command) == 130  # before anything was written from which it could resume
        assert capsys.readouterr().err == "panda: interrupted; no file was left half-written\n"
        assert not journal.exists()
        written[0] = True
        assert main(command) == 130
    assert capsys.readouterr().err == (
        "panda: interrupted; no file was left half-written; the same command resumes the fit from"
        f" {journal}\n"
    )
    assert journal.exists() and main(command) == 0 and not journal.exists()


def test_other_errors_of_ours_are_not_hidden(monkeypatch):
    def fails(options):
        raise RuntimeError("a defect")

    monkeypatch.setattr("panda.cli.catalog.show_list", fails)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["list"])


def test_a_part_of_a_name_lists_the_generators_that_have_it(capsys):
    assert main(["list", "ffhq", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["generators"]]
    assert "mobilestylegan-ffhq-1024" in names and all("ffhq" in name for name in names)


@pytest.mark.parametrize("name", ["factor", "factorz", "Factors"])
def test_a_folder_that_is_not_there_names_the_nearest(factors, tmp_path, capsys, name):
    assert main(["parts", str(tmp_path / name), "--out", str(tmp_path / "out")]) == 2
    assert f"did you mean '{factors}'?" in capsys.readouterr().err


def test_results_go_nowhere_over_other_files(factors, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    assert main(["fit", "tiny", "b", "--out", str(tmp_path / "photos")]) == 2
    assert "choose another folder" in capsys.readouterr().err


def test_pictures_replace_earlier_pictures_and_nothing_else(factors, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["remove", factors, "--parts", "0", "--seeds", "2", "--out", str(out)]
    assert main(command) == 0
    assert main(command) == 0
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "0002.png").write_text("mine")
    assert main([*command[:-1], str(tmp_path / "photos")]) == 2
    assert "holds no results of panda" in capsys.readouterr().err
    assert (tmp_path / "photos" / "0002.png").read_text() == "mine"


def test_factors_never_replace_a_folder_that_only_has_a_config(factors, tmp_path, capsys):
    model = tmp_path / "hf"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    (model / "model.bin").write_text("weights")
    assert main(["fit", "tiny", "b", "--out", str(model)]) == 2
    assert (model / "model.bin").read_text() == "weights"


@pytest.mark.parametrize("value", ["nan", "inf", "1e38", "x"])
def test_numbers_that_are_none_are_refused_before_any_work(factors, tmp_path, capsys, value):
    for option in ("--strength", "--truncation"):
        words = ["remove", factors, "--parts", "0", option, value, "--out", str(tmp_path / "o")]
        assert main(words) == 2
        assert f"{value!r} is not a finite number below 1e9" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_page_holds_everything_it_shows_and_escapes_what_it_is_told(tmp_path):
    page = Page("<Title>", 'lead & "quotes"')
    page.section("A <b>", "about")
    page.card([[Figure(Image.new("RGB", (4, 4)), "x < y")]], "card")
    page.table(Table(["a"], [["<1>"]]))
    page.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "&lt;Title&gt;" in text
    assert "x &lt; y" in text
    assert "<1>" not in text
    for outside in ("http://", "https://", 'src="/', "<script", "@import"):
        assert outside not in text


def test_the_demo_tells_the_whole_story_on_any_generator(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("panda.demo.run.create_generator", lambda name, device: tiny)
    torch.manual_seed(0)
    assert main(["demo", "--quick", "--generator", "tiny", "--out", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert f"report: {tmp_path / 'demo' / 'report.html'}" in said
    text = (tmp_path / "demo" / "report.html").read_text()
    for section in ("Samples", "Parts at", "Local edits", "Concept maps", "Object removal"):
        assert section in text
    assert "https://" not in text
    with Image.open(tmp_path / "demo" / "overview.png") as picture:
        assert picture.width > 1000
