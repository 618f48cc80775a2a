"""The README's snippet, shell session and commands run exactly as printed."""

import shlex

from snippets import ROOT, blocks

from panda.cli import main

README = "README.md"


def test_the_python_snippet_runs(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks(README, "python")
    exec(compile(snippet, "README.md", "exec"), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hair.png", "without.png"]


def test_the_shell_session_runs(faces, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = next(block for block in blocks(README, "sh") if "panda fit" in block).splitlines()
    assert len(lines) >= 8
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
    for folder in ("parts", "edited", "background", "removed", "refined"):
        assert (tmp_path / folder / "sheet.png").is_file()
    assert "mobilestylegan-ffhq-1024" in capsys.readouterr().out


def test_the_two_commands_are_the_ones_that_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text()
    install, demo = blocks(README, "sh")[0].strip().split(" && ")
    assert f"{install}\n".replace("pip install ", "pip install -q ") in ci
    assert f"{demo} --quick" in ci
    install, tests = blocks(README, "sh")[1].strip().split(" && ")
    assert install.removeprefix("pip install ").replace("dev]'", "dev,docs]'") in ci
    assert f"{tests}\n" in ci
