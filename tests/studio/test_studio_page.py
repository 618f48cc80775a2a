"""The studio's page in a real browser: every click, no request elsewhere, no error."""

import json
import shutil
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from panda.factorization import cached
from panda.metrics.lpips import WEIGHTS as LPIPS_WEIGHTS

LPIPS = LPIPS_WEIGHTS.path
"""Where the weights lie that inversion needs, if they are here."""

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"

MINI = "mini-stylegan2-faces-64"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("default"),  # those of gradio's own code
]


@pytest.fixture(scope="module")
def url(tmp_path_factory, loops_closed):
    """A studio of the small generator, fitted on few samples, and of a file that is damaged."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "broken.pkl").write_bytes(b"nothing")
    if LPIPS.exists():
        (folder / "cache" / "models").mkdir(parents=True)
        (folder / "cache" / "models" / LPIPS.name).symlink_to(LPIPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANDA_HOME", str(folder / "cache"))
        usual = {**cached.fit_cached.__kwdefaults__, "seeds": "0-63"}
        patch.setattr(cached.fit_cached, "__kwdefaults__", usual)
        # Two thumbnails in each step, as of a large image, so that passes can meet.
        patch.setattr("panda.studio.session.PIXELS", 2 * 64 * 64)
        from panda.studio.app import Studio
        from panda.studio.library import Library
        from panda.studio.server import served

        with served(Studio(Library([MINI, str(folder / "broken.pkl")]))) as page:
            yield page.local_url.rstrip("/")


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = play.chromium.launch(executable_path=BROWSER, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, url):
    """Opens the page as another user; afterwards, nothing may have gone wrong anywhere."""
    contexts, wrong = [], []

    def visit(width=1440, height=900):
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)  # other processes may be busy
        page.on("request", lambda request: _check(request.url, url, wrong))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        page.wait_for_selector(".frame.ready")
        page.wait_for_selector(".chips button")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def _check(asked, url, wrong):
    if not asked.startswith((url, "data:", "blob:")):
        wrong.append(asked)


def click(page, across, down):
    """Click the image at a place in shares of its size, and wait for the appearances."""
    frame = page.locator(".frame")
    box = frame.bounding_box()
    place = {"x": across * box["width"], "y": down * box["height"]}
    frame.click(position=place)  # once nothing lies over it, such as a bar that is going
    page.wait_for_selector(".chips button[aria-pressed=true]")
    page.wait_for_selector(".cards button")


def add(page, index):
    count = page.locator(".stack li").count()
    page.locator(".cards button").nth(index).click()
    rows(page, count + 1)


def rows(page, count):
    page.wait_for_function(f"document.querySelectorAll('.stack li').length == {count}")


def image(page):
    return page.evaluate("document.querySelector('.frame img').src")


def changed(page, act):
    """Do something and wait for another image, which it gives."""
    page.evaluate("window.earlier = document.querySelector('.frame img').src")
    act()
    page.wait_for_function("document.querySelector('.frame img').src != window.earlier")
    return image(page)


def slide(page, key, times=1):
    slider = page.get_by_label("range slider for Strength")
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)


def wait_for_text(page, text):
    page.get_by_text(text).first.wait_for()


def test_a_part_is_clicked_edited_stacked_and_undone(visit):
    page = visit()
    plain = image(page)
    click(page, 0.5, 0.7)
    mouth = page.locator(".chips button[aria-pressed=true]").inner_text()
    edited = changed(page, lambda: add(page, 0))
    assert edited != plain
    stronger = changed(page, lambda: slide(page, "ArrowRight"))
    click(page, 0.5, 0.05)
    assert page.locator(".chips button[aria-pressed=true]").inner_text() or mouth
    both = changed(page, lambda: page.get_by_role("button", name="Remove this part").click())
    rows(page, 2)
    off = changed(page, lambda: page.locator(".stack input").nth(1).click())
    assert off == stronger
    page.locator(".stack input").nth(1).click()
    page.wait_for_function("document.querySelectorAll('.stack li.off').length == 0")
    first = page.locator(".stack .name").nth(0).inner_text()
    page.get_by_label("Move down: edit 1").click()
    page.wait_for_function(
        "name => document.querySelectorAll('.stack .name')[1].innerText == name", arg=first
    )
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function(
        "name => document.querySelectorAll('.stack .name')[0].innerText == name", arg=first
    )
    page.get_by_label("Delete: edit 2").click()
    rows(page, 1)
    for _ in range(5):
        page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Redo").click()
    changed(page, lambda: [page.get_by_role("button", name="Undo").click() for _ in range(3)])
    wait_for_text(page, "there is nothing to undo")
    assert both != off


def test_every_step_of_the_slider_brings_a_new_image(visit):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    images = {changed(page, lambda: slide(page, "ArrowRight")) for _ in range(4)}
    assert len(images) == 4


WATCH = """() => {
  window.galleries = [];
  const cards = document.querySelector(".cards");
  new MutationObserver(() => window.galleries.push({
    title: document.querySelector(".gallery h3").textContent,
    names: [...cards.children].map((card) => card.dataset.appearance),
    named: [...cards.children].filter(
      (card) => card.querySelector("span").textContent !== card.dataset.appearance
    ).length,
  })).observe(cards, { childList: true });
}"""


def test_cards_only_grow_and_keep_their_names_however_fast_parts_are_chosen(visit):
    page = visit()
    page.evaluate(WATCH)
    chips = page.locator(".chips button")
    for part in (0, 1, 2, 1, 1, 0, 3, 1):
        chips.nth(part).click()
    last = "document.querySelector('.gallery h3').textContent.startsWith('Part 1')"
    page.wait_for_function(f"{last} && document.querySelectorAll('.cards button').length == 8")
    page.wait_for_function(f"{last} && window.galleries.at(-1).named > 0")
    page.wait_for_timeout(2000)  # time for answers that were overtaken
    seen = page.evaluate("window.galleries")
    for before, after in pairwise(seen):
        if before["title"].split(":")[0] == after["title"].split(":")[0]:
            assert set(before["names"]) <= set(after["names"]) and before["named"] <= after["named"]
    assert seen[-1]["title"].startswith("Part 1") and seen[-1]["named"] > 0


def test_no_button_shows_a_strength_or_truncation_that_is_not_there(visit):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    for slider in ("Strength", "Truncation"):
        near = page.locator(".block", has=page.get_by_label(f"range slider for {slider}")).last
        near.wait_for()
        assert near.get_by_role("button").count() == 0


def choose_factors(page, name):
    page.get_by_label("Factors", exact=True).click()
    page.get_by_role("option", name=name).click()
    page.locator("#status").get_by_text(f"· {name}").wait_for()


def test_edits_come_back_with_their_number_of_parts(visit):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    edited = changed(page, lambda: slide(page, "ArrowRight"))
    changed(page, lambda: choose_factors(page, "4 parts"))
    rows(page, 0)
    wait_for_text(page, "1 edit of 16 parts of")
    assert changed(page, lambda: choose_factors(page, "16 parts")) == edited
    rows(page, 1)
    assert page.locator(".stack .hint").is_hidden()
    value = page.get_by_label("number input for Strength").input_value()
    assert float(value) == pytest.approx(4.1)


def test_views_show_before_difference_heat_and_parts(visit):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    seen = {image(page)}
    for view in ("Difference", "Heat map", "Parts"):
        seen.add(changed(page, lambda view=view: page.get_by_text(view, exact=True).click()))
    assert len(seen) == 4
    page.get_by_text("Before / after").click()
    page.wait_for_selector(".frame.split")
    seam = page.get_by_label("Boundary between before and after")
    seam.focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.evaluate("document.querySelector('.frame').style.getPropertyValue('--seam')") == "51%"
    )


def test_exports_are_files_that_the_browser_saves(visit, tmp_path):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    for name in ("PNG", "WebP", "GIF", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name.startswith(f"{MINI}-seed-0")
        if name == "JSON":
            assert json.loads(file.read_text())["edits"]["edit"]["generator"] == MINI
        else:
            with Image.open(file) as picture:
                assert picture.format == name.upper() and picture.size == (64, 64)
    assert "panda edit --edit mini" in page.locator("#command textarea").input_value()


def test_other_samples_layers_and_generators(visit):
    page = visit()
    changed(page, lambda: page.get_by_role("button", name="Next sample").click())
    wait_for_text(page, "seed-1")
    page.get_by_label("Layer", exact=True).click()
    page.get_by_role("option", name="8.conv1").click()
    page.locator("#status").get_by_text("8.conv1").wait_for()
    page.get_by_label("Generator", exact=True).click()
    page.get_by_role("option", name="broken.pkl").click()
    wait_for_text(page, "broken.pkl: bytes that begin with b'nothing'; expected")
    page.wait_for_function("name => document.querySelector('#name input').value == name", arg=MINI)
    click(page, 0.5, 0.7)  # the app lives on


def test_the_same_edit_beside_others(visit):
    page = visit()
    click(page, 0.5, 0.7)
    add(page, 0)
    page.get_by_text("The same edit in other generators").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_function("document.querySelectorAll('.panels figure').length == 2")
    assert "part similarity 1.00" in page.locator(".panels").inner_text()


def test_two_users_do_not_see_each_other(visit):
    first, second = visit(), visit()
    click(first, 0.5, 0.7)
    add(first, 0)
    assert second.locator(".stack li").count() == 0
    click(second, 0.1, 0.9)
    changed(second, lambda: second.get_by_role("button", name="Remove this part").click())
    rows(second, 1)
    rows(first, 1)
    assert image(first) != image(second)


def test_files_that_are_not_photographs_are_refused_with_a_message(visit, tmp_path):
    page = visit()
    (tmp_path / "words.png").write_text("no picture")
    page.locator("#photograph input[type=file], input[type=file]").first.set_input_files(
        tmp_path / "words.png"
    )
    wait_for_text(page, "words.png is no picture of a known kind")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "huge.png")
    wait_for_text(page, "huge.png has")
    click(page, 0.5, 0.7)


@pytest.mark.skipif(not LPIPS.exists(), reason="weights of LPIPS are not cached")
def test_a_photograph_is_reconstructed_and_edited(visit):
    page = visit()
    upload = page.locator("input[type=file]").first
    reconstruction = changed(page, lambda: upload.set_input_files(PHOTOGRAPH))
    page.get_by_text("collins.jpg (reconstruction: LPIPS").wait_for()
    click(page, 0.5, 0.7)
    assert changed(page, lambda: add(page, 0)) != reconstruction
    assert "panda invert collins.jpg" in page.locator("#command textarea").input_value()
    psi = page.get_by_label("range slider for Truncation")
    assert psi.is_disabled()
    changed(page, lambda: page.get_by_role("button", name="Next sample").click())
    wait_for_text(page, "seed-1")
    page.wait_for_function("!document.querySelector('[aria-label*=Truncation]').disabled")


def test_the_keyboard_is_enough(visit):
    page = visit()
    page.locator(".chips button").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".cards button")
    page.locator(".cards button").first.focus()
    changed(page, lambda: page.keyboard.press("Space"))
    rows(page, 1)
    page.locator(".cards button").nth(1).focus()
    page.keyboard.press("Enter")
    rows(page, 2)
    second = page.locator(".stack .name").nth(1).inner_text()
    page.locator(".stack .name").nth(1).focus()
    page.keyboard.press("Alt+ArrowUp")
    page.wait_for_function(
        "name => document.querySelectorAll('.stack .name')[0].innerText == name", arg=second
    )
    page.keyboard.press("Delete")
    rows(page, 1)


@pytest.mark.parametrize("width", [1440, 800])
def test_the_page_fits_its_window(visit, width):
    page = visit(width, 900)
    click(page, 0.5, 0.7)
    add(page, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".frame").bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1) and box["width"] > width / 3


def test_no_file_of_this_machine_is_served(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    for path in ("/etc/passwd", tmp_path / "secret.txt", __file__):
        for route in ("gradio_api/file=", "file=", "gradio_api/file/"):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"{url}/{route}{path}", timeout=10)
            assert error.value.code in (403, 404)
