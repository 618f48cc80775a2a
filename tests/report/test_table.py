"""One table, in Markdown and in HTML."""

import pytest

from panda.report.page import Page
from panda.report.table import Table

TABLE = Table(["name", "loss"], [("a|b", "0.1"), ("<c>\nd", "2")], align=["left", "right"])


def test_markdown_has_a_line_for_each_row_whatever_is_in_a_cell():
    assert TABLE.to_markdown() == (
        "| name | loss |\n| --- | ---: |\n| a\\|b | 0.1 |\n| <c> d | 2 |\n"
    )


def test_a_title_and_what_figures_mean_stand_above():
    table = Table(["a"], [], title="Losses", about="Shares of the energy.")
    assert table.to_markdown() == "### Losses\n\nShares of the energy.\n\n| a |\n| --- |\n"


def test_html_is_escaped_and_aligned():
    text = TABLE.to_html()
    assert text.startswith('<table><tr><th>name</th><th class="right">loss</th></tr>')
    assert '<td>&lt;c&gt;\nd</td><td class="right">2</td>' in text


def test_a_figure_stays_on_one_line_in_a_narrow_column(tmp_path):
    table = Table(["share"], [("43 ± 29 % of faces",)])
    assert "<td>43&nbsp;±&nbsp;29&nbsp;% of faces</td>" in table.to_html()
    page = Page("t", "")
    page.table(table)
    page.save(tmp_path / "page.html")  # where control characters become escapes
    assert "<td>43&nbsp;±&nbsp;29&nbsp;% of faces</td>" in (tmp_path / "page.html").read_text()
    assert "| 43 ± 29 % of faces |" in table.to_markdown()


@pytest.mark.parametrize("changes", [{"rows": [["1", "2"]]}, {"align": ["left", "left"]}])
def test_what_does_not_fit_the_header_is_refused(changes):
    with pytest.raises(ValueError, match="does not fit the header"):
        Table(**{"header": ["a"], "rows": [["1"]], **changes})
