// The selection: attention, head, token and step. Views read it; the functions below change it and redraw.

const selection = {
  kind: "cross",
  layer: 0,
  head: 0,
  scale: "root",
  step: 0,
  // The selected token of each side: under the pointer or focus, or else pinned by a click.
  hovered: { source: null, target: null },
  pinned: { source: null, target: null },
  key: null,
};

let page = null;

function shownKind() {
  return page.kinds[selection.kind];
}

function shownWeights() {
  return shownKind().weights(selection.layer, selection.head);
}

/** Returns the selected query of an attention, or null. */
function shownQuery(kind = shownKind()) {
  return selection.hovered[kind.side] ?? selection.pinned[kind.side];
}

function headName(kind, layer, head) {
  return `${page.kinds[kind].title}, layer ${layer + 1}, head ${head + 1}`;
}

function selectHead(kind, layer, head) {
  if (kind !== selection.kind) selection.hovered = { source: null, target: null };
  Object.assign(selection, { kind, layer, head, key: null });
  drawHead();
  drawRows();
}

function hover(query, key = null) {
  selection.hovered = { source: null, target: null };
  if (query !== null) selection.hovered[shownKind().side] = query;
  selection.key = key;
  drawRows();
}

function pin(side, query) {
  selection.pinned[side] = query;
  if (side === "target" && query !== null && query < page.steps.length) {
    selection.step = query;
    drawStep();
  }
  drawRows();
}

function clearSelection() {
  selection.hovered = { source: null, target: null };
  selection.pinned = { source: null, target: null };
  selection.key = null;
  drawRows();
}

/** Selects a step of the generation and the decoder's query of that step. */
function setStep(step) {
  selection.step = Math.max(0, Math.min(step, page.steps.length - 1));
  selection.pinned.target = selection.step;
  drawStep();
  drawRows();
}

/** Keeps the selection if new data has it; else selects the last layer of cross-attention. */
function validateSelection() {
  selection.hovered = { source: null, target: null };
  selection.key = null;
  const kind = page.kinds[selection.kind];
  if (!selection.initialized || selection.layer >= kind.layers || selection.head >= kind.heads) {
    selection.kind = KINDS.findLast((name) => page.kinds[name].heads > 0) ?? "cross";
    selection.layer = Math.max(page.kinds[selection.kind].layers - 1, 0);
    selection.head = 0;
  }
  selection.initialized = true;
  for (const [side, tokens] of [["source", page.source.tokens], ["target", page.target.inputs]]) {
    if (selection.pinned[side] >= tokens.length) selection.pinned[side] = null;
  }
  selection.step = Math.max(0, Math.min(selection.step, page.steps.length - 1));
}
