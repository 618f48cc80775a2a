"""docs/inversion.md, with a photograph in the public domain (tests/photographs/README.md)."""

import shutil

import pytest
from snippets import ROOT, blocks, links

from panda.inversion import Inversion
from panda.metrics import face_mesh, lpips
from panda.photographs.alignment import find_face
from panda.photographs.photograph import read_photograph

PAGE = "docs/inversion.md"
PHOTOGRAPH = ROOT / "tests" / "photographs" / "collins.jpg"

pytestmark = pytest.mark.skipif(
    not (lpips.WEIGHTS.cached and face_mesh.WEIGHTS.cached),
    reason="the weights of LPIPS and the face mesh are not cached; 'panda invert' fetches them",
)


def test_a_face_is_found_in_a_photograph():
    square = find_face(face_mesh.FaceMesh(), read_photograph(PHOTOGRAPH))
    assert abs(square.center - (129 + 107j)) < 4
    assert abs(square.right - 87) < 6


def test_the_python_snippet_inverts_a_photograph(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTOGRAPH, "photo.jpg")
    (snippet,) = blocks(PAGE, "python")
    exec(compile(snippet, PAGE, "exec"), {})
    found = Inversion.load("me")
    assert found.lpips[0] < 0.5 * found.config["trace"][0][0]


@pytest.mark.parametrize("link", links(PAGE))
def test_links_to_files_lead_somewhere(link):
    assert link.startswith("https://") or (ROOT / "docs" / link).is_file()
