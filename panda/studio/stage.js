// The image: hovering tints the part under the pointer, a click chooses it, a line divides two views.
const frame = element.querySelector(".frame");
const [under, over] = frame.querySelectorAll("img");
const canvas = frame.querySelector("canvas");
const seam = element.querySelector(".seam");
const chips = element.querySelector(".chips");
let labels = null;
let source = "";
let hovered = -1;
let shown = 0;

const hue = (part, count) => `hsl(${(360 * part) / count} 75% 50%)`;

function draw() {
  const { view, before, after, overlay, part, names, order, unstable, about, ratio } = props.value;
  if (!before) return;
  frame.parentElement.style.setProperty("--ratio", ratio);
  const split = view === "Before / after";
  under.src = split ? before : overlay || after;
  over.src = split ? after : "";
  over.hidden = seam.hidden = !split;
  frame.classList.toggle("split", split);
  frame.classList.add("ready");
  under.alt = `${view}: ${about}`;
  frame.setAttribute("aria-label", `${view}: ${about}. Click a place to choose the part there.`);
  part_buttons(names, order, unstable, part);
  read_labels();
}

// Stable parts come first; the others differ between two halves of the samples that were fitted.
function part_buttons(names, order, unstable, part) {
  const joined = order.map((k) => `${k} ${names[k]} ${unstable.includes(k)}`).join("\n");
  if (chips.dataset.names !== joined) {
    chips.dataset.names = joined;
    chips.replaceChildren(
      ...order.map((k) => {
        const name = unstable.includes(k) ? `${names[k]} (unstable)` : names[k];
        const chip = document.createElement("button");
        chip.type = "button";
        chip.dataset.part = k;
        chip.style.setProperty("--hue", hue(k, names.length));
        chip.textContent = name;
        chip.title = `Part ${k}: ${name}`;
        return chip;
      }),
    );
  }
  for (const chip of chips.children) {
    chip.setAttribute("aria-pressed", String(Number(chip.dataset.part) === part));
  }
}

function read_labels() {
  if (props.value.labels === source) return tint();
  source = props.value.labels;
  const picture = new Image();
  picture.onload = () => {
    const { width, height } = picture;
    const reader = new OffscreenCanvas(width, height).getContext("2d");
    reader.drawImage(picture, 0, 0);
    const bytes = reader.getImageData(0, 0, width, height).data;
    labels = { width, height, part: (x, y) => bytes[4 * (y * width + x)] };
    tint();
  };
  picture.src = source;
}

// The chosen part gets an outline, the part under the pointer a tint.
function tint() {
  if (!labels) return;
  const { width, height, part } = labels;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(width, height);
  const chosen = props.value.part;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const current = part(x, y);
      if (current !== chosen && current !== hovered) continue;
      const rim =
        x > 0 && y > 0 && x < width - 1 && y < height - 1 &&
        (part(x - 1, y) !== current || part(x + 1, y) !== current ||
          part(x, y - 1) !== current || part(x, y + 1) !== current);
      const strength = rim ? 255 : current === hovered && hovered !== chosen ? 70 : 0;
      pixels.data.set([255, 255, 255, strength], 4 * (y * width + x));
    }
  }
  pen.putImageData(pixels, 0, 0);
}

function reveal() {
  frame.classList.add("marked");
  clearTimeout(shown);
  shown = setTimeout(() => frame.classList.remove("marked"), 1800);
}

function place(event) {
  const box = frame.getBoundingClientRect();
  const share = (value) => Math.min(Math.max(value, 0), 1);
  return {
    x: share((event.clientX - box.left) / box.width),
    y: share((event.clientY - box.top) / box.height),
  };
}

function hover(part) {
  if (part !== hovered) {
    hovered = part;
    tint();
  }
}

frame.addEventListener("pointermove", (event) => {
  const { x, y } = place(event);
  if (frame.classList.contains("split")) {
    if (event.buttons) move_seam(100 * x);
  } else if (labels) {
    const at = (value, side) => Math.min(Math.floor(value * side), side - 1);
    hover(labels.part(at(x, labels.width), at(y, labels.height)));
  }
});
frame.addEventListener("pointerleave", () => hover(-1));
frame.addEventListener("click", (event) => {
  if (!frame.classList.contains("ready")) return;
  if (frame.classList.contains("split")) return move_seam(100 * place(event).x);
  reveal();
  trigger("pick", place(event));
});
chips.addEventListener("click", (event) => {
  const chip = event.target.closest("button");
  if (!chip) return;
  reveal();
  trigger("choose", { part: Number(chip.dataset.part) });
});
for (const kind of ["pointerover", "focusin"]) {
  chips.addEventListener(kind, (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    reveal();
    hover(Number(chip.dataset.part));
  });
}
for (const kind of ["pointerleave", "focusout"]) {
  chips.addEventListener(kind, () => hover(-1));
}

function move_seam(percent) {
  seam.value = percent;
  frame.style.setProperty("--seam", `${percent}%`);
}
seam.addEventListener("input", () => move_seam(seam.value));

draw();
watch("value", draw);
