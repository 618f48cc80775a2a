"""The page: gradio's components, and the handlers of their events."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr

from panda.generators.entries import Entry
from panda.studio.app import Studio
from panda.studio.editing import EditingHandlers
from panda.studio.selecting import SelectionHandlers
from panda.studio.session import VIEWS

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For short events."""

MANY: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
"""For clicks: each one counts."""

LAST: dict[str, Any] = {**QUIET, "trigger_mode": "always_last"}
"""For dragging and typing: only the newest value counts."""


def build_page(studio: Studio) -> gr.Blocks:
    """Return the page with all components and events."""
    blocks = gr.Blocks(title="PandA studio", analytics_enabled=False, fill_width=True)
    with blocks:
        StudioPage(studio, blocks)
    return blocks


def theme() -> gr.themes.Base:
    """Return a quiet theme without fonts from the network."""
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def text_of(name: str) -> str:
    """Return a script or style sheet of the page."""
    return files("panda.studio").joinpath(name).read_text(encoding="utf-8")


class StudioPage:
    """The components of the page; ``session`` has a value for each user."""

    def __init__(self, studio: Studio, blocks: gr.Blocks) -> None:
        self.studio = studio
        self.session = gr.State(None)
        with gr.Row(elem_id="bar"):
            gr.HTML("<h1>PandA studio</h1>")
            self.status = gr.HTML("", elem_id="status")
        with gr.Row(elem_id="studio"):
            with gr.Column(elem_id="settings"):
                self._settings()
            with gr.Column(elem_id="stage-column"):
                self._stage()
            with gr.Column(elem_id="edit"):
                self._edit()
        with gr.Accordion("The same edit in other generators", open=False):
            self._others()
        self.settings = [self.name, self.layer, self.factors, self.seed, self.psi, self.label]
        self.edited = [self.stage, self.gallery, self.stack, self.strength]
        editing = EditingHandlers(studio)
        self._connect_settings(SelectionHandlers(studio), editing, blocks)
        self._connect_edits(editing)

    def _settings(self) -> None:
        """Add the left column: what to edit."""
        names = self.studio.library.names
        self.name = gr.Dropdown(
            [(Entry(name).name, name) for name in names],
            value=names[0],
            label="Generator",
            filterable=False,
            elem_id="name",
        )
        self.layer = gr.Dropdown([], label="Layer", filterable=False, elem_id="layer")
        self.factors = gr.Dropdown([], label="Factors", filterable=False)
        self.seed = gr.Number(0, label="Seed", precision=0)
        self.next = gr.Button("Next sample", size="sm", elem_id="next")
        self.psi = gr.Slider(0, 1, 0.7, step=0.05, label="Truncation", buttons=[])
        self.label = gr.Textbox(
            label="Class or text", placeholder="number, name or text, then Enter", visible=False
        )
        self.photograph = gr.UploadButton(
            "Your photograph", file_types=["image"], size="sm", elem_id="photograph"
        )
        self.refined = gr.Checkbox(False, label="Refine for this image", elem_id="refined")

    def _stage(self) -> None:
        """Add the middle column: the image, its views, and the buttons of the parts."""
        self.view = gr.Radio(list(VIEWS), value=VIEWS[0], show_label=False, elem_id="views")
        template = (
            '<div class="frame" role="img" aria-label="The image"><img alt=""><img alt="" hidden>'
            '<canvas></canvas></div><input class="seam" type="range" min="0" max="100" value="50"'
            ' aria-label="Boundary between before and after" hidden><div class="chips" role="group"'
            ' aria-label="Parts"></div>'
        )
        value = {"before": "", "names": [], "order": [], "unstable": [], "part": -1}
        self.stage = _drawn("stage", template, value)

    def _edit(self) -> None:
        """Add the right column: appearances, strength, the stack, and exports."""
        template = '<h3></h3><p class="hint"></p><div class="cards" role="group"></div>'
        self.gallery = _drawn(
            "gallery", template, {"title": "", "cards": [], "busy": False, "turn": 0}
        )
        self.remove = gr.Button("Remove this part", size="sm")
        self.strength = gr.Slider(
            -10, 10, 0, step=0.1, label="Strength", interactive=False, buttons=[]
        )
        template = (
            '<h3>Edits</h3><p class="hint">No edits yet. Choose an appearance above.</p><ol></ol>'
        )
        self.stack = _drawn("stack", template, {"rows": [], "chosen": None, "waiting": ""})
        with gr.Row():
            self.undo = gr.Button("Undo", size="sm", min_width=60)
            self.redo = gr.Button("Redo", size="sm", min_width=60)
        gr.HTML("<h3 class='quiet'>Export</h3>")
        with gr.Row():
            names = ("PNG", "WebP", "GIF", "JSON")
            self.exports = [gr.Button(name, size="sm", min_width=60) for name in names]
        self.command = gr.Textbox(
            label="Shell command (run it in the folder of the exported JSON)",
            buttons=["copy"],
            elem_id="command",
            lines=3,
            max_lines=6,
        )
        self.download = _drawn("download", "<span></span>", {})

    def _others(self) -> None:
        """Add the comparison with other generators."""
        names = self.studio.library.names
        choices = [(Entry(name).name, name) for name in names]
        self.others = gr.CheckboxGroup(choices, value=names[:2], label="Generators")
        self.compare = gr.Button("Compare", size="sm")
        self.panels = gr.HTML("")

    def _connect_settings(
        self, selecting: SelectionHandlers, editing: EditingHandlers, blocks: gr.Blocks
    ) -> None:
        """Connect the events that change the image; thumbnails and names follow each."""
        opened = [self.session, *self.settings, *self.edited, self.status, self.command]
        slow: dict[str, Any] = {"show_progress_on": [self.stage], "api_visibility": "private"}
        first = [self.session, self.name, self.seed]
        chosen = [self.session, *self.settings]
        fields = [self.psi.input, self.label.submit]
        for event in (
            gr.on([blocks.load, self.name.select], selecting.open_generator, first, opened, **slow),
            gr.on(
                [self.layer.select, self.factors.select],
                selecting.open_factors,
                chosen[:4],
                opened,
                **slow,
            ),
            self.seed.input(selecting.draw, chosen, opened, **LAST),
            gr.on(fields, selecting.redraw, chosen, opened, **LAST),
            self.next.click(selecting.draw_next, chosen, opened, **QUIET),
            self.photograph.upload(
                selecting.photograph,
                [self.session, self.photograph],
                opened[-8:],
                trigger_mode="always_last",
                **slow,
            ),
            self.refined.input(
                editing.refine, [self.session, self.refined], [*self.edited, self.command], **slow
            ),
            self.stage.pick(editing.pick, self.session, self.edited, **MANY),
            self.stage.choose(editing.choose, self.session, self.edited, **MANY),
        ):
            thumbnails = event.then(editing.thumbnails, self.session, self.gallery, **LAST)
            thumbnails.then(editing.names, self.session, [self.stage, self.gallery], **LAST)

    def _connect_edits(self, editing: EditingHandlers) -> None:
        """Connect the events that change, export and compare edits."""
        edited = [*self.edited, self.command]
        self.view.input(editing.view, [self.session, self.view], self.stage, **LAST)
        self.gallery.take(editing.take, self.session, edited, **MANY)
        self.stack.act(editing.act, self.session, edited, **MANY)
        self.remove.click(editing.remove, self.session, edited, **MANY)
        self.undo.click(editing.undo, self.session, edited, **MANY)
        self.redo.click(editing.redo, self.session, edited, **MANY)
        changed = [self.stage, self.stack]
        self.strength.input(editing.slide, [self.session, self.strength], changed, **LAST)
        for button, export in zip(
            self.exports,
            (editing.export_picture, editing.export_webp, editing.export_gif, editing.export_edit),
            strict=True,
        ):
            button.click(
                export,
                self.session,
                self.download,
                show_progress_on=[self.stage],
                api_visibility="private",
            )
        others = [self.session, self.others]
        self.compare.click(editing.compare, others, self.panels, api_visibility="private")


def _drawn(name: str, template: str, value: Any) -> Any:
    """Return a component that the script of the same name draws."""
    return gr.HTML(
        value,
        html_template=f'<div class="{name}">{template}</div>',
        js_on_load=text_of(f"{name}.js"),
        elem_id=name,
    )
