// Equation 1 for one query: the scores of all keys, their softmax, and the weighted sum of the values.

/** Maximum dimensions of the values in the table. */
const DIMENSIONS = 8;

function buildEquation() {
  const kind = shownKind();
  fillSelect(byId("equation-query"), kind.queries.map((token, index) => [index, `${index + 1}: ${token}`]), 0);
}

/** Returns scores, weights and weighted values of one query, or null if the data has no vectors. */
function computeQuery(kind, query) {
  const vectors = kind.vectors(selection.layer, selection.head);
  if (!vectors || !vectors.queries?.[query]) return null;
  const vector = vectors.queries[query];
  const root = Math.sqrt(vector.length);
  const weights = shownWeights().subarray(query * kind.keys.length, (query + 1) * kind.keys.length);
  const shown = Math.min(DIMENSIONS, vectors.values[0].length);
  const rows = kind.keys.map((token, key) => {
    const score = vectors.keys[key].reduce((sum, number, i) => sum + number * vector[i], 0) / root;
    const values = Array.from({ length: shown }, (_, i) => weights[key] * vectors.values[key][i]);
    return { key, token, masked: kind.isMasked(query, key), score, weight: weights[key], values };
  });
  const sums = Array.from({ length: shown }, (_, i) => rows.reduce((sum, row) => sum + row.values[i], 0));
  const denominator = rows.reduce((sum, row) => (row.masked ? sum : sum + Math.exp(row.score)), 0);
  return { rows, sums, denominator, vector, size: vector.length };
}

let equationKind = null;

function drawEquation() {
  const kind = shownKind();
  if (equationKind !== kind) {
    buildEquation();
    equationKind = kind;
  }
  const query = shownQuery() ?? 0;
  byId("equation-query").value = query;
  byId("equation-head").textContent = headName(kind.name, selection.layer, selection.head);
  const computed = computeQuery(kind, query);
  const table = byId("equation-table");
  if (!computed) {
    table.replaceChildren();
    byId("equation-note").textContent = "This data has no queries, keys and values.";
    return;
  }
  table.replaceChildren(equationHead(computed), equationBody(computed), equationFoot(computed));
  const [size, shown] = [computed.size, computed.sums.length];
  byId("equation-note").textContent =
    `weight = e^score ÷ Σ e^score, here Σ e^score = ${formatNumber(computed.denominator)}. d_k = ${size}, ` +
    `√d_k = ${fixed(Math.sqrt(size), 3)}. The table shows the first ${shown} of the values’ ${size} dimensions. ` +
    "Hatched keys are masked: score −∞, weight 0.";
}

/** Formats a number, in scientific notation if it is large or small. */
function formatNumber(number) {
  return number >= 1e5 || number < 1e-2 ? number.toExponential(2) : number.toFixed(2);
}

function equationHead({ vector, sums }) {
  const head = createElement("thead");
  const row = createElement("tr");
  row.append(createElement("th", { text: "key k", scope: "col" }));
  row.append(createElement("th", { text: "q · k ÷ √d_k", scope: "col" }), createElement("th", { text: "weight", scope: "col" }));
  sums.forEach((_, i) => {
    row.append(createElement("th", { text: `w·v${subscript(i + 1)}`, scope: "col", title: "weight times value" }));
  });
  const queryRow = createElement("tr", { className: "quiet-row" });
  queryRow.append(createElement("th", { text: "query q", scope: "row", colspan: 3 }));
  const max = maxMagnitude(vector);
  sums.forEach((_, i) => queryRow.append(dimensionCell(vector[i], max, `q${subscript(i + 1)} = `)));
  head.append(row, queryRow);
  return head;
}

function equationBody({ rows, sums }) {
  const body = createElement("tbody");
  const visible = rows.filter((row) => !row.masked);
  const maxScore = maxMagnitude(visible.map((row) => row.score));
  const maxValue = maxMagnitude(sums.concat(visible.flatMap((row) => row.values)));
  const order = byId("equation-sorted").checked ? rows.toSorted((a, b) => b.weight - a.weight || a.key - b.key) : rows;
  for (const { key, token, masked, score, weight, values } of order) {
    const row = createElement("tr", { className: masked ? "masked" : "" });
    row.classList.toggle("pointed", key === selection.key);
    const name = tokenElement("th", token, "token");
    name.scope = "row";
    row.append(name, barCell(masked ? null : score, maxScore, 2, true), barCell(masked ? 0 : weight, 1, 3, false));
    values.forEach((value) => row.append(masked ? createElement("td") : dimensionCell(value, maxValue)));
    body.append(row);
  }
  return body;
}

function equationFoot({ rows, sums }) {
  const foot = createElement("tfoot");
  const row = createElement("tr");
  const total = rows.reduce((sum, row) => sum + row.weight, 0);
  row.append(createElement("th", { text: "sum", scope: "row" }), createElement("td"), barCell(total, 1, 3, false));
  const max = maxMagnitude(sums.concat(rows.flatMap((row) => row.values)));
  sums.forEach((value) => row.append(dimensionCell(value, max)));
  foot.append(row);
  return foot;
}

function subscript(number) {
  return String(number).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));
}

/** Returns the largest absolute value, which is never zero. */
function maxMagnitude(numbers) {
  return numbers.reduce((max, number) => Math.max(max, Math.abs(number)), 1e-9);
}

/** Creates a cell with a bar beside its number; bars of `signed` numbers start in the middle. */
function barCell(number, max, digits, signed) {
  const cell = createElement("td", { className: "bar-cell" });
  const box = createElement("div", { className: "box" });
  if (number !== null) box.append(meter(number / max, signed));
  cell.append(box, createElement("span", { className: "value", text: number === null ? "−∞" : fixed(number, digits) }));
  return cell;
}

/** Creates a cell with a number over its bar. */
function dimensionCell(number, max, name = "") {
  const cell = createElement("td", { className: "dimension" });
  const box = createElement("div", { className: "box" });
  box.append(meter(number / max, true));
  cell.append(box, createElement("span", { text: fixed(number, 2) }));
  if (name) cell.title = name + fixed(number, 4);
  return cell;
}

function meter(share, signed) {
  const bar = createElement("i", { className: share < 0 ? "meter minus" : "meter" });
  const size = Math.min(Math.abs(share), 1) * (signed ? 50 : 100);
  bar.style.width = `${size}%`;
  bar.style.left = `${signed ? (share < 0 ? 50 - size : 50) : 0}%`;
  return bar;
}

function listenToEquation() {
  byId("equation-query").addEventListener("change", (event) => pin(shownKind().side, +event.target.value));
  byId("equation-sorted").addEventListener("change", drawRows);
}
