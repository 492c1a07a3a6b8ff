// Puts a data object on the page, and the views in step.

/** Shows a data object, packed or plain; what was selected stays where it still exists. */
function show(data) {
  page = opened(data);
  settleSelection();
  labelled = equationKind = null;
  looksKept.clear();
  const { source, target } = page;
  byId("source-text").textContent = source.text;
  byId("target-text").textContent = target.text;
  byId("sentences").classList.toggle("long", source.text.length + target.text.length > 150);
  byId("facts").textContent = facts();
  document.title = `Attention: ${source.text} → ${target.text}`;
  buildOverview();
  buildGeneration();
  drawLegend();
  drawHead();
  drawStep();
  buildStatistics();
  drawRows();
}

function facts() {
  const { encoder, decoder } = page.kinds;
  const layers = encoder.layers === decoder.layers ? `${encoder.layers}` : `${encoder.layers} and ${decoder.layers}`;
  const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const sizes = `${layers} layer${layers === "1" ? "" : "s"}, ${count(page.heads, "head")}, d_model ${page.width}`;
  const tokens = `${page.source.tokens.length} source and ${count(page.target.inputs.length, "target token")}`;
  return `${sizes} · ${tokens} · translation ${page.target.given ? "given" : "by the model"}`;
}

/** Draws anew all that has colours or depends on the width. */
function redraw() {
  if (!page) return;
  drawThumbs();
  drawLegend();
  if (shownKind().heads > 0) measureHead();
  drawHead();
  drawRowsNow();
}

function listen() {
  listenToOverview();
  listenToHead();
  listenToGeneration();
  listenToEquation();
  listenToStatistics();
  byId("scale").addEventListener("change", (event) => {
    selection.scale = event.target.value;
    redraw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !page) return;
    letGo();
    if (byId("head-views").contains(document.activeElement)) {
      thumbs[selection.kind][selection.layer][selection.head].focus();
    }
  });
  darkness.addEventListener("change", redraw);
  addEventListener("resize", onceAFrame(redraw));
}

window.show = show;
listen();
const embedded = byId("data").textContent.trim();
if (embedded) {
  show(JSON.parse(embedded));
  // From here on clicks and keys are answered.
  performance.mark("attend-ready");
}
