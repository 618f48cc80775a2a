// The appearances of the chosen part: one card for each, those that break the picture last.
const title = element.querySelector("h3");
const hint = element.querySelector("p");
const cards = element.querySelector(".cards");

let newest = -1;

function draw() {
  const { title: text, cards: thumbnails, busy, turn } = props.value;
  if (turn < newest) return; // an answer that was overtaken
  newest = turn;
  title.textContent = text || "Appearances";
  hint.hidden = thumbnails.length > 0;
  hint.textContent = busy
    ? "Computing what this part can look like..."
    : text
      ? "This part looks the same in all samples: there is nothing to change."
      : "Click the image where you want to change it.";
  const focused = element.contains(document.activeElement) && document.activeElement.dataset.appearance;
  cards.replaceChildren(
    ...thumbnails.map(({ appearance, name, effect, src, used, unstable, broken }) => {
      const card = document.createElement("button");
      card.type = "button";
      card.dataset.appearance = appearance;
      card.setAttribute("aria-pressed", String(used));
      const picture = document.createElement("img");
      picture.src = src;
      picture.alt = "";
      const words = document.createElement("span");
      words.textContent = name || appearance;
      const share = document.createElement("small");
      share.textContent = [`${effect}%`, unstable && "unstable", broken && "breaks the picture"].filter(Boolean).join(", ");
      card.title = `${appearance}: ${name || "an appearance of this part"}, changes the part by ${effect}%`;
      card.append(picture, words, share);
      return card;
    }),
  );
  if (focused) cards.querySelector(`[data-appearance="${focused}"]`)?.focus();
}

cards.addEventListener("click", (event) => {
  const card = event.target.closest("button");
  if (card) trigger("take", { appearance: card.dataset.appearance });
});

draw();
watch("value", draw);
