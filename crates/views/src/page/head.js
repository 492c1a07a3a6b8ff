// One head, large: its heat map with all tokens, and in words where the token in question looks.

/** How many of the strongest keys are told in words. */
const TOLD = 5;

/** Small enough to be seen at once, large enough for labels to be read. */
const CELLS = { least: 11, most: 34 };

/** Between the heat map and the lines, and at the edges. */
const GAP = 36;

let cell = CELLS.least;

function buildHead() {
  const kind = shownKind();
  tokenLabels(byId("map-keys"), kind.keys, "key");
  tokenLabels(byId("map-queries"), kind.queries, "query");
  buildLines();
  measureHead();
}

/** Side by side where both fit, else one below the other, each as wide as there is room. */
function measureHead() {
  const kind = shownKind();
  const [queryLabels, keyLabels] = [byId("lines-queries").offsetWidth, byId("lines-keys").offsetWidth];
  const columns = Math.max(kind.keys.length, 1);
  const room = byId("head-views").clientWidth - queryLabels - GAP;
  const besideMap = room - queryLabels - keyLabels;
  const beside = Math.floor((besideMap - LINES.least) / columns);
  const fits = beside >= CELLS.least;
  cell = Math.max(CELLS.least, Math.min(CELLS.most, fits ? beside : Math.floor(room / columns)));
  const left = fits ? besideMap - columns * cell : room - keyLabels;
  linesWidth = Math.max(LINES.least, Math.min(LINES.most, left));
  const map = byId("map");
  map.style.setProperty("--cell", `${cell}px`);
  map.style.setProperty("--letters", `${Math.min(13, cell - 1)}px`);
}

/** What the labels stand for: they are built anew only when this changes. */
let labelled = null;

function drawHead() {
  const kind = shownKind();
  markThumb();
  if (kind.heads === 0) return;
  if (labelled !== kind) {
    buildHead();
    labelled = kind;
  }
  const name = headName(kind.name, selection.layer, selection.head);
  byId("head-title").textContent = name;
  drawMap(kind, name);
  drawLooksOf();
}

function drawMap(kind, name) {
  const [rows, columns] = [kind.queries.length, kind.keys.length];
  const [width, height] = [columns * cell, rows * cell];
  const canvas = byId("map-canvas");
  canvas.setAttribute("aria-label", `Heat map. ${name}: ${rows} queries by ${columns} keys`);
  const context = prepared(canvas, width, height);
  context.imageSmoothingEnabled = false;
  context.drawImage(pictured(shownWeights(), rows, columns, ramp()), 0, 0, width, height);
  if (kind.name === "decoder") hatched(context, rows, width, height, 6);
  context.strokeStyle = named("rule");
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
}

/** Everything that follows the token in question; at most once a frame. */
const drawRows = onceAFrame(drawRowsNow);

function drawRowsNow() {
  markThumbRows();
  if (shownKind().heads === 0) return;
  markLabels();
  markMap();
  drawLines();
  drawEquation();
  tell();
}

function markLabels() {
  const kind = shownKind();
  const query = shownQuery();
  const weights = shownWeights();
  for (const label of byId("head-views").querySelectorAll("[data-query]")) {
    const looking = +label.dataset.query === query;
    label.classList.toggle("looking", looking);
    label.setAttribute("aria-selected", looking);
  }
  for (const label of byId("head-views").querySelectorAll("[data-key]")) {
    const key = +label.dataset.key;
    label.classList.toggle("pointed", key === selection.key);
    label.classList.toggle("seen", query !== null);
    if (query !== null) {
      const share = strength(weights[query * kind.keys.length + key]);
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
  byId("unpin").hidden = selection.held.source === null && selection.held.target === null;
}

/** The readout: whom the query looks at most, and for a single cell its own weight. */
function tell() {
  const kind = shownKind();
  const query = shownQuery();
  const readout = byId("readout");
  if (query === null) {
    const text = "Point at a token, or go to it by keyboard, to see where it looks; a click holds it.";
    readout.replaceChildren(made("span", { kind: "quiet", text }));
    return;
  }
  const row = shownWeights().subarray(query * kind.keys.length, (query + 1) * kind.keys.length);
  const order = [...row.keys()].filter((key) => !kind.hides(query, key)).sort((a, b) => row[b] - row[a]);
  const pieces = [tokenPiece("bdi", kind.queries[query]), " looks at "];
  if (selection.key !== null) {
    const hidden = kind.hides(query, selection.key);
    const weight = made("b", { text: hidden ? " hidden" : ` ${fixed(row[selection.key], 3)}` });
    pieces.push(tokenPiece("bdi", kind.keys[selection.key]), weight, "; most at ");
  }
  order.slice(0, TOLD).forEach((key, place) => {
    if (place > 0) pieces.push(" · ");
    pieces.push(tokenPiece("bdi", kind.keys[key]), made("b", { text: ` ${fixed(row[key], 3)}` }));
  });
  readout.replaceChildren(...pieces);
}

function listenToHead() {
  const views = byId("head-views");
  const queryOf = (target) => target.closest?.("[data-query]");
  const follow = (event) => {
    const query = queryOf(event.target);
    const key = event.target.closest?.("[data-key]");
    if (query) pointAt(+query.dataset.query);
    else if (key) pointAt(null, +key.dataset.key);
  };
  views.addEventListener("pointerover", follow);
  views.addEventListener("focusin", follow);
  views.addEventListener("pointerleave", () => pointAt(null));
  views.addEventListener("focusout", () => pointAt(null));
  views.addEventListener("click", (event) => {
    const query = queryOf(event.target);
    if (query) hold(shownKind().side, +query.dataset.query);
  });
  views.addEventListener("keydown", (event) => {
    const label = queryOf(event.target);
    if (!label) return;
    const group = [...label.parentElement.children];
    const place = group.indexOf(label);
    const [before, after] = [place - 1, place + 1];
    const last = group.length - 1;
    const to = { ArrowUp: before, ArrowLeft: before, ArrowDown: after, ArrowRight: after, Home: 0, End: last };
    if (event.key in to) {
      event.preventDefault();
      if (group[to[event.key]]) focusOne(group, group[to[event.key]]);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      hold(shownKind().side, place);
    }
  });
  const picture = byId("map-picture");
  const cellUnder = (event) => {
    const box = picture.getBoundingClientRect();
    const [query, key] = [event.clientY - box.top, event.clientX - box.left].map((place) => Math.floor(place / cell));
    const { queries, keys } = shownKind();
    return query >= 0 && query < queries.length && key >= 0 && key < keys.length ? [query, key] : null;
  };
  picture.addEventListener("pointermove", (event) => {
    const under = cellUnder(event);
    if (under) pointAt(...under);
  });
  picture.addEventListener("click", (event) => {
    const under = cellUnder(event);
    if (under) hold(shownKind().side, under[0]);
  });
  byId("unpin").addEventListener("click", letGo);
}
