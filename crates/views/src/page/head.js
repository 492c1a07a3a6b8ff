// One head in detail: its heat map with all tokens, and the keys with the largest weights of the selected query.

/** Number of keys in the readout. */
const READOUT_KEYS = 5;

/** Side of a cell in pixels. */
const CELL = { min: 11, max: 34 };

/** Pixels between the heat map and the lines, and at the edges. */
const GAP = 36;

/** Size of a label's letters in pixels. */
const MAX_LETTERS = 13;

let cell = CELL.min;

function buildHead() {
  const kind = shownKind();
  tokenLabels(byId("map-keys"), kind.keys, "key");
  tokenLabels(byId("map-queries"), kind.queries, "query");
  buildLines();
  measureHead();
}

/** Computes the widths of heat map and lines: side by side if both fit, else one below the other. */
function measureHead() {
  const kind = shownKind();
  const map = byId("map");
  // The labels of the map at their largest: cells are not yet known.
  map.style.setProperty("--letters", `${MAX_LETTERS}px`);
  const [mapLabels, queryLabels, keyLabels] = ["map-queries", "lines-queries", "lines-keys"].map((id) => byId(id).offsetWidth);
  const columns = Math.max(kind.keys.length, 1);
  const room = byId("head-views").clientWidth - mapLabels - GAP;
  const besideMap = room - queryLabels - keyLabels;
  const beside = Math.floor((besideMap - LINES_WIDTH.min) / columns);
  const fits = beside >= CELL.min;
  cell = Math.max(CELL.min, Math.min(CELL.max, fits ? beside : Math.floor(room / columns)));
  const rest = fits ? besideMap - columns * cell : room + mapLabels - queryLabels - keyLabels;
  linesWidth = Math.max(LINES_WIDTH.min, Math.min(LINES_WIDTH.max, rest));
  map.style.setProperty("--cell", `${cell}px`);
  map.style.setProperty("--letters", `${Math.min(MAX_LETTERS, cell - 1)}px`);
}

/** The attention whose tokens the labels show; only another one rebuilds them. */
let labelledKind = null;

function drawHead() {
  const kind = shownKind();
  markThumb();
  if (kind.heads === 0) return;
  if (labelledKind !== kind) {
    buildHead();
    labelledKind = kind;
  }
  const name = headName(kind.name, selection.layer, selection.head);
  byId("head-title").textContent = name;
  drawMap(kind, name);
  labelSelectedHead();
}

function drawMap(kind, name) {
  const [rows, columns] = [kind.queries.length, kind.keys.length];
  const [width, height] = [columns * cell, rows * cell];
  const canvas = byId("map-canvas");
  canvas.setAttribute("aria-label", `Heat map. ${name}: ${rows} queries by ${columns} keys`);
  const context = prepareCanvas(canvas, width, height);
  context.imageSmoothingEnabled = false;
  context.drawImage(mapImage(shownWeights(), rows, columns, ramp()), 0, 0, width, height);
  if (kind.name === "decoder") drawHatching(context, rows, width, height, 6);
  context.strokeStyle = themeColour("rule");
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
}

/** Draws everything that depends on the selected token, once per frame at most. */
const drawRows = oncePerFrame(drawRowsNow);

function drawRowsNow() {
  markThumbRows();
  if (shownKind().heads === 0) return;
  markLabels();
  markMap();
  drawLines();
  drawEquation();
  drawReadout();
}

function markLabels() {
  const kind = shownKind();
  const query = shownQuery();
  const weights = shownWeights();
  for (const label of byId("head-views").querySelectorAll("[data-query]")) {
    const selected = +label.dataset.query === query;
    label.classList.toggle("selected", selected);
    label.setAttribute("aria-selected", selected);
  }
  for (const label of byId("head-views").querySelectorAll("[data-key]")) {
    const key = +label.dataset.key;
    label.classList.toggle("pointed", key === selection.key);
    label.classList.toggle("weighted", query !== null);
    if (query !== null) {
      const share = colourPosition(weights[query * kind.keys.length + key]);
      label.style.setProperty("--share", `${Math.round(60 * share)}%`);
    }
  }
}

function markMap() {
  const query = shownQuery();
  const kind = shownKind();
  const rowMark = byId("row-mark");
  rowMark.hidden = query === null;
  if (query !== null) {
    const [top, width] = [query * cell, kind.keys.length * cell];
    Object.assign(rowMark.style, { left: 0, top: `${top}px`, height: `${cell}px`, width: `${width}px` });
  }
  const columnMark = byId("column-mark");
  columnMark.hidden = selection.key === null;
  if (selection.key !== null) {
    const [left, height] = [selection.key * cell, kind.queries.length * cell];
    Object.assign(columnMark.style, { left: `${left}px`, top: 0, height: `${height}px`, width: `${cell}px` });
  }
  byId("unpin").hidden = selection.pinned.source === null && selection.pinned.target === null;
}

/** Draws the readout: the keys with the largest weights of the query, and the weight of the cell under the pointer. */
function drawReadout() {
  const kind = shownKind();
  const query = shownQuery();
  const readout = byId("readout");
  if (query === null) {
    const text = "Point at a token, or focus it by keyboard, to see what it attends to. A click pins it.";
    readout.replaceChildren(createElement("span", { className: "quiet", text }));
    return;
  }
  const row = shownWeights().subarray(query * kind.keys.length, (query + 1) * kind.keys.length);
  const order = [...row.keys()].filter((key) => !kind.isMasked(query, key)).sort((a, b) => row[b] - row[a]);
  const parts = [tokenElement("bdi", kind.queries[query]), " attends to "];
  if (selection.key !== null) {
    const masked = kind.isMasked(query, selection.key);
    const weight = createElement("b", { text: masked ? " masked" : ` ${fixed(row[selection.key], 3)}` });
    parts.push(tokenElement("bdi", kind.keys[selection.key]), weight, "; most to ");
  }
  order.slice(0, READOUT_KEYS).forEach((key, rank) => {
    if (rank > 0) parts.push(" · ");
    parts.push(tokenElement("bdi", kind.keys[key]), createElement("b", { text: ` ${fixed(row[key], 3)}` }));
  });
  readout.replaceChildren(...parts);
}

function listenToHead() {
  const views = byId("head-views");
  const queryOf = (target) => target.closest?.("[data-query]");
  const follow = (event) => {
    const query = queryOf(event.target);
    const key = event.target.closest?.("[data-key]");
    if (query) hover(+query.dataset.query);
    else if (key) hover(null, +key.dataset.key);
  };
  views.addEventListener("pointerover", follow);
  views.addEventListener("focusin", follow);
  views.addEventListener("pointerleave", () => hover(null));
  views.addEventListener("focusout", () => hover(null));
  views.addEventListener("click", (event) => {
    const query = queryOf(event.target);
    if (query) pin(shownKind().side, +query.dataset.query);
  });
  views.addEventListener("keydown", (event) => {
    const label = queryOf(event.target);
    if (!label) return;
    const group = [...label.parentElement.children];
    const index = group.indexOf(label);
    const [before, after] = [index - 1, index + 1];
    const last = group.length - 1;
    const to = { ArrowUp: before, ArrowLeft: before, ArrowDown: after, ArrowRight: after, Home: 0, End: last };
    if (event.key in to) {
      event.preventDefault();
      if (group[to[event.key]]) moveFocus(group, group[to[event.key]]);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pin(shownKind().side, index);
    }
  });
  const picture = byId("map-picture");
  const cellAt = (event) => {
    const box = picture.getBoundingClientRect();
    const [query, key] = [event.clientY - box.top, event.clientX - box.left].map((offset) => Math.floor(offset / cell));
    const { queries, keys } = shownKind();
    return query >= 0 && query < queries.length && key >= 0 && key < keys.length ? [query, key] : null;
  };
  picture.addEventListener("pointermove", (event) => {
    const under = cellAt(event);
    if (under) hover(...under);
  });
  picture.addEventListener("click", (event) => {
    const under = cellAt(event);
    if (under) pin(shownKind().side, under[0]);
  });
  byId("unpin").addEventListener("click", clearSelection);
}
