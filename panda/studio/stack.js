// The stack of edits: choose, switch off, reorder, delete; Alt with arrows and Delete work too.
const list = element.querySelector("ol");
const hint = element.querySelector("p");
const none = hint.textContent;
let focus = null;

function button(act, sign, label, index, disabled = false) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.act = act;
  made.textContent = sign;
  made.title = label;
  made.disabled = disabled;
  made.setAttribute("aria-label", `${label}: edit ${index + 1}`);
  return made;
}

function draw() {
  const { rows, chosen, waiting } = props.value;
  hint.textContent = waiting || none;
  hint.hidden = rows.length > 0 && !waiting;
  list.replaceChildren(
    ...rows.map(({ name, text, on, strength }, k) => {
      const row = document.createElement("li");
      row.dataset.index = k;
      row.classList.toggle("off", !on);
      row.classList.toggle("chosen", k === chosen);
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = on;
      box.dataset.act = "toggle";
      box.setAttribute("aria-label", `Use edit ${k + 1}`);
      const pick = button("choose", name, `Choose ${text}`, k);
      pick.className = "name";
      pick.setAttribute("aria-pressed", String(k === chosen));
      const value = document.createElement("output");
      value.textContent = strength;
      row.append(
        box, pick, value,
        button("up", "↑", "Move up", k, k === 0),
        button("down", "↓", "Move down", k, k === rows.length - 1),
        button("drop", "×", "Delete", k),
      );
      return row;
    }),
  );
  if (focus) {
    const row = list.children[Math.min(focus.index, rows.length - 1)];
    (row?.querySelector(`[data-act="${focus.act}"]:not(:disabled)`) ?? row?.querySelector(".name"))?.focus();
    focus = null;
  }
}

function act(name, index) {
  const last = props.value.rows.length - 1;
  const by = { up: -1, down: 1 }[name] ?? 0;
  focus = { act: name, index: Math.min(Math.max(index + by, 0), last) };
  trigger("act", { name, index });
}

list.addEventListener("click", (event) => {
  const source = event.target.closest("[data-act]");
  if (source) act(source.dataset.act, Number(source.closest("li").dataset.index));
});
list.addEventListener("keydown", (event) => {
  const row = event.target.closest("li");
  const name = event.key === "Delete" ? "drop" : event.altKey && { ArrowUp: "up", ArrowDown: "down" }[event.key];
  if (!row || !name) return;
  event.preventDefault();
  act(name, Number(row.dataset.index));
});

draw();
watch("value", draw);
