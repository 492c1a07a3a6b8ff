// One head as lines between two columns of tokens; more weight gives thicker and darker lines.

/** Pixels between the columns. */
const LINES_WIDTH = { min: 170, max: 420 };

/** Minimum weight of a line. Smaller ones are invisible, and many heads have thousands of them. */
const MIN_WEIGHT = 0.004;

let lineHeight = 0;
let linesWidth = LINES_WIDTH.min;

function buildLines() {
  const kind = shownKind();
  lineHeight = Math.max(kind.queries.length, kind.keys.length) > 30 ? 13 : 26;
  const lines = byId("lines");
  lines.style.setProperty("--cell", `${lineHeight}px`);
  lines.style.setProperty("--letters", `${Math.min(13, lineHeight - 2)}px`);
  tokenLabels(byId("lines-queries"), kind.queries, "query");
  tokenLabels(byId("lines-keys"), kind.keys, "key");
}

function drawLines() {
  const kind = shownKind();
  const weights = shownWeights();
  const [rows, columns] = [kind.queries.length, kind.keys.length];
  const height = Math.max(rows, columns) * lineHeight;
  const canvas = byId("lines-canvas");
  canvas.setAttribute("aria-label", `Lines. ${headName(kind.name, selection.layer, selection.head)}`);
  const context = prepareCanvas(canvas, linesWidth, height);
  const shown = shownQuery();
  const middle = linesWidth / 2;
  const draw = (query, key, colour, opacity) => {
    const weight = weights[query * columns + key];
    if (weight < MIN_WEIGHT) return;
    const [from, to] = [(query + 0.5) * lineHeight, (key + 0.5) * lineHeight];
    context.strokeStyle = colour;
    context.globalAlpha = opacity * colourPosition(weight);
    context.lineWidth = 0.5 + 4.5 * weight;
    context.beginPath();
    context.moveTo(2, from);
    context.bezierCurveTo(middle, from, middle, to, linesWidth - 2, to);
    context.stroke();
  };
  const [plain, chosen] = [themeColour("weight"), themeColour("chosen")];
  const pointed = shown === null ? selection.key : null;
  const faint = shown !== null || pointed !== null;
  for (let query = 0; query < rows; query++) {
    for (let key = 0; key < columns; key++) {
      if (query !== shown && key !== pointed) draw(query, key, plain, faint ? 0.1 : 0.8);
    }
  }
  for (let query = 0; query < rows; query++) {
    for (let key = 0; key < columns; key++) {
      if (query === shown || key === pointed) draw(query, key, chosen, 1);
    }
  }
}
