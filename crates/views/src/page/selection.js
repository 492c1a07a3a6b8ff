// What is being looked at. Views draw from it; whatever changes it says what changed.

const selection = {
  kind: "cross",
  layer: 0,
  head: 0,
  scale: "root",
  step: 0,
  // A token of either side whose row is shown: under the pointer or focus, or else held by a click.
  over: { source: null, target: null },
  held: { source: null, target: null },
  key: null,
};

let page = null;

function shownKind() {
  return page.kinds[selection.kind];
}

function shownWeights() {
  return shownKind().weights(selection.layer, selection.head);
}

/** The query of an attention whose row is shown, or null. */
function shownQuery(kind = shownKind()) {
  return selection.over[kind.side] ?? selection.held[kind.side];
}

function headName(kind, layer, head) {
  return `${page.kinds[kind].title}, layer ${layer + 1}, head ${head + 1}`;
}

function chooseHead(kind, layer, head) {
  if (kind !== selection.kind) selection.over = { source: null, target: null };
  Object.assign(selection, { kind, layer, head, key: null });
  drawHead();
  drawRows();
}

function pointAt(query, key = null) {
  selection.over = { source: null, target: null };
  if (query !== null) selection.over[shownKind().side] = query;
  selection.key = key;
  drawRows();
}

function hold(side, query) {
  selection.held[side] = query;
  if (side === "target" && query !== null && query < page.steps.length) {
    selection.step = query;
    drawStep();
  }
  drawRows();
}

function letGo() {
  selection.over = { source: null, target: null };
  selection.held = { source: null, target: null };
  selection.key = null;
  drawRows();
}

/** One step of the generation is one row of the decoder: both go together. */
function goToStep(step) {
  selection.step = Math.max(0, Math.min(step, page.steps.length - 1));
  selection.held.target = selection.step;
  drawStep();
  drawRows();
}

/** After new data, keeps what still exists and otherwise shows the last layer of the cross-attention. */
function settleSelection() {
  selection.over = { source: null, target: null };
  selection.key = null;
  const kind = page.kinds[selection.kind];
  if (!selection.settled || selection.layer >= kind.layers || selection.head >= kind.heads) {
    selection.kind = KINDS.findLast((name) => page.kinds[name].heads > 0) ?? "cross";
    selection.layer = Math.max(page.kinds[selection.kind].layers - 1, 0);
    selection.head = 0;
  }
  selection.settled = true;
  for (const [side, tokens] of [["source", page.source.tokens], ["target", page.target.inputs]]) {
    if (selection.held[side] >= tokens.length) selection.held[side] = null;
  }
  selection.step = Math.max(0, Math.min(selection.step, page.steps.length - 1));
}
