// All heads at a glance: for each attention a grid of layers by heads, with the row of the token in question marked in
// every one.

/** `[kind][layer][head]`, the cells of the grids. */
let thumbs = {};

function buildOverview() {
  thumbs = {};
  byId("grids").replaceChildren(...KINDS.filter((name) => page.kinds[name].heads > 0).map(headsGrid));
  drawThumbs();
}

function headsGrid(name) {
  const kind = page.kinds[name];
  const what = { encoder: "source → source", decoder: "target → earlier target", cross: "target → source" }[name];
  const box = made("div");
  const title = made("div", { kind: "grid-title" });
  title.append(made("h2", { text: kind.title, id: `grid-${name}` }), made("span", { text: what, kind: "quiet" }));
  const grid = made("div", { kind: "heads", role: "grid", "aria-labelledby": `grid-${name}`, id: `heads-${name}` });
  grid.style.setProperty("--heads", kind.heads);
  grid.style.setProperty("--rows", kind.queries.length);
  const numbers = made("div", { role: "row" });
  numbers.append(made("span", { role: "columnheader", "aria-label": "layer" }));
  for (let head = 0; head < kind.heads; head++) {
    numbers.append(made("span", { text: head + 1, kind: "number", role: "columnheader", title: `head ${head + 1}` }));
  }
  grid.append(numbers);
  thumbs[name] = [];
  for (let layer = 0; layer < kind.layers; layer++) {
    const row = made("div", { role: "row" });
    row.append(made("span", { text: layer + 1, kind: "number", role: "rowheader", title: `layer ${layer + 1}` }));
    thumbs[name].push([]);
    for (let head = 0; head < kind.heads; head++) {
      const label = headName(name, layer, head);
      const cell = made("div", { kind: "thumb", role: "gridcell", "aria-label": label, title: label });
      Object.assign(cell.dataset, { kind: name, layer, head });
      cell.append(made("canvas", { "aria-hidden": "true" }));
      thumbs[name][layer].push(cell);
      row.append(cell);
    }
    grid.append(row);
  }
  box.append(title, grid);
  return box;
}

function drawThumbs() {
  const colours = ramp();
  const hatch = [named("hidden"), named("hatch")];
  for (const name of Object.keys(thumbs)) {
    const kind = page.kinds[name];
    const [rows, columns] = [kind.queries.length, kind.keys.length];
    // One size for all: asking each for its own would lay out the page anew each time.
    const side = Math.max(Math.round(thumbs[name][0][0].clientWidth), 8);
    thumbs[name].forEach((layer, l) =>
      layer.forEach((cell, h) => {
        const context = prepared(cell.firstChild, side, side);
        cell.firstChild.style.width = cell.firstChild.style.height = "";
        context.imageSmoothingEnabled = columns > side || rows > side;
        context.imageSmoothingQuality = "high";
        context.drawImage(pictured(kind.weights(l, h), rows, columns, colours), 0, 0, side, side);
        if (name === "decoder") hatched(context, rows, side, side, 4, hatch);
      }),
    );
  }
}

/** Marks the head that is shown, and makes it the one that Tab reaches. */
function markThumb() {
  for (const name of Object.keys(thumbs)) {
    for (const cell of thumbs[name].flat()) {
      const { kind, layer, head } = cell.dataset;
      const shown = kind === selection.kind && +layer === selection.layer && +head === selection.head;
      cell.setAttribute("aria-selected", shown);
      cell.tabIndex = shown ? 0 : -1;
    }
  }
}

/** The row of the token in question, in all heads that have it. */
function markThumbRows() {
  for (const name of Object.keys(thumbs)) {
    const query = shownQuery(page.kinds[name]);
    const grid = byId(`heads-${name}`);
    grid.classList.toggle("has-row", query !== null);
    grid.style.setProperty("--row", query ?? -1);
  }
}

/** The cell that an arrow key leads to; up and down go on into the next grid. */
function neighbour(cell, key) {
  const [layer, head] = [+cell.dataset.layer, +cell.dataset.head];
  const grid = thumbs[cell.dataset.kind];
  if (key === "ArrowLeft") return grid[layer][head - 1];
  if (key === "ArrowRight") return grid[layer][head + 1];
  if (key === "Home") return grid[layer][0];
  if (key === "End") return grid[layer].at(-1);
  const rows = Object.values(thumbs).flat();
  const row = rows[rows.indexOf(grid[layer]) + { ArrowUp: -1, ArrowDown: 1 }[key]];
  return row && row[Math.min(head, row.length - 1)];
}

function listenToOverview() {
  const grids = byId("grids");
  const choose = (cell) => chooseHead(cell.dataset.kind, +cell.dataset.layer, +cell.dataset.head);
  grids.addEventListener("click", (event) => {
    const cell = event.target.closest(".thumb");
    if (!cell) return;
    choose(cell);
    cell.focus({ preventScroll: true });
    // Below the grids on a narrow screen.
    if (byId("head").getBoundingClientRect().top > innerHeight / 2) byId("head").scrollIntoView();
  });
  grids.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".thumb");
    if (!cell) return;
    if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      const next = neighbour(cell, event.key);
      if (!next) return;
      choose(next);
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      byId("map-queries").querySelector("[tabindex='0']")?.focus();
    }
  });
}
