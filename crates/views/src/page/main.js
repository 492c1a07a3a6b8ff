// Shows a data object in all views.

/** Shows a data object in either form. The selection stays if it still exists. */
function show(data) {
  page = readData(data);
  validateSelection();
  labelledKind = equationKind = null;
  meanWeights.clear();
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
  // A decoder of recurrent cells has cross-attention alone.
  const { encoder, cross } = page.kinds;
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const both = (ofEncoder, ofDecoder, noun) =>
    ofEncoder === ofDecoder ? count(ofEncoder, noun) : `${ofEncoder} encoder and ${ofDecoder} decoder ${noun}s`;
  const sizes = [
    both(encoder.layers, cross.layers, "layer"), both(encoder.heads, cross.heads, "head"), `d_model ${page.width}`,
  ].join(", ");
  const tokens = `${page.source.tokens.length} source and ${count(page.target.inputs.length, "target token")}`;
  return `${sizes} · ${tokens} · translation ${page.target.given ? "given" : "by the model"}`;
}

/** Redraws everything that depends on colours or on the width. */
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
    clearSelection();
    if (byId("head-views").contains(document.activeElement)) {
      thumbs[selection.kind][selection.layer][selection.head].focus();
    }
  });
  darkness.addEventListener("change", redraw);
  addEventListener("resize", oncePerFrame(redraw));
}

window.show = show;
listen();
const embedded = byId("data").textContent.trim();
if (embedded) {
  show(JSON.parse(embedded));
  // All listeners are ready.
  performance.mark("attend-ready");
}
