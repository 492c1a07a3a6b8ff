// All heads: for each attention a grid of layers by heads, with the selected query's row marked in every map.

/** The cells of the grids, `[kind][layer][head]`. */
let thumbs = {};

function buildOverview() {
  thumbs = {};
  byId("grids").replaceChildren(...KINDS.filter((name) => page.kinds[name].heads > 0).map(headsGrid));
  drawThumbs();
}

function headsGrid(name) {
  const kind = page.kinds[name];
  const direction = { encoder: "source → source", decoder: "target → earlier target", cross: "target → source" }[name];
  const box = createElement("div");
  const title = createElement("div", { className: "grid-title" });
  title.append(createElement("h2", { text: kind.title, id: `grid-${name}` }), createElement("span", { text: direction, className: "quiet" }));
  const grid = createElement("div", { className: "heads", role: "grid", "aria-labelledby": `grid-${name}`, id: `heads-${name}` });
  grid.style.setProperty("--heads", kind.heads);
  grid.style.setProperty("--rows", kind.queries.length);
  const numbers = createElement("div", { role: "row" });
  numbers.append(createElement("span", { role: "columnheader", "aria-label": "layer" }));
  for (let head = 0; head < kind.heads; head++) {
    numbers.append(createElement("span", { text: head + 1, className: "number", role: "columnheader", title: `head ${head + 1}` }));
  }
  grid.append(numbers);
  thumbs[name] = [];
  for (let layer = 0; layer < kind.layers; layer++) {
    const row = createElement("div", { role: "row" });
    row.append(createElement("span", { text: layer + 1, className: "number", role: "rowheader", title: `layer ${layer + 1}` }));
    thumbs[name].push([]);
    for (let head = 0; head < kind.heads; head++) {
      const label = headName(name, layer, head);
      const cell = createElement("div", { className: "thumb", role: "gridcell", "aria-label": label, title: label });
      Object.assign(cell.dataset, { kind: name, layer, head });
      cell.append(createElement("canvas", { "aria-hidden": "true" }));
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
  const hatch = [themeColour("masked"), themeColour("hatch")];
  for (const name of Object.keys(thumbs)) {
    const kind = page.kinds[name];
    const [rows, columns] = [kind.queries.length, kind.keys.length];
    // One size for all: reading each cell's width would force a layout each time.
    const side = Math.max(Math.round(thumbs[name][0][0].clientWidth), 8);
    thumbs[name].forEach((layer, l) =>
      layer.forEach((cell, h) => {
        const context = prepareCanvas(cell.firstChild, side, side);
        cell.firstChild.style.width = cell.firstChild.style.height = "";
        context.imageSmoothingEnabled = columns > side || rows > side;
        context.imageSmoothingQuality = "high";
        context.drawImage(mapImage(kind.weights(l, h), rows, columns, colours), 0, 0, side, side);
        if (name === "decoder") drawHatching(context, rows, side, side, 4, hatch);
      }),
    );
  }
}

/** Marks the selected head, the only one that Tab reaches. */
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

/** Marks the row of the selected query in all maps that have it. */
function markThumbRows() {
  for (const name of Object.keys(thumbs)) {
    const query = shownQuery(page.kinds[name]);
    const grid = byId(`heads-${name}`);
    grid.classList.toggle("has-row", query !== null);
    grid.style.setProperty("--row", query ?? -1);
  }
}

/** Returns the cell in the direction of an arrow key; up and down continue into the next grid. */
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
  const select = (cell) => selectHead(cell.dataset.kind, +cell.dataset.layer, +cell.dataset.head);
  grids.addEventListener("click", (event) => {
    const cell = event.target.closest(".thumb");
    if (!cell) return;
    select(cell);
    cell.focus({ preventScroll: true });
    // On a narrow screen the head is below the grids.
    if (byId("head").getBoundingClientRect().top > innerHeight / 2) byId("head").scrollIntoView();
  });
  grids.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".thumb");
    if (!cell) return;
    if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      const next = neighbour(cell, event.key);
      if (!next) return;
      select(next);
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      byId("map-queries").querySelector("[tabindex='0']")?.focus();
    }
  });
}
