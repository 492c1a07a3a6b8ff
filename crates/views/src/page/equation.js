// Equation 1 for one query: the score of every key, the softmax over them, and the values added up by weight.

/** How many dimensions of the values are written out. */
const DIMENSIONS = 8;

function buildEquation() {
  const kind = shownKind();
  fillSelect(byId("equation-query"), kind.queries.map((token, index) => [index, `${index + 1}: ${token}`]), 0);
}

/** Scores, weights and weighted values of one query, or null where the vectors are not known. */
function workedOut(kind, query) {
  const vectors = kind.vectors(selection.layer, selection.head);
  if (!vectors || !vectors.queries?.[query]) return null;
  const vector = vectors.queries[query];
  const root = Math.sqrt(vector.length);
  const weights = shownWeights().subarray(query * kind.keys.length, (query + 1) * kind.keys.length);
  const shown = Math.min(DIMENSIONS, vectors.values[0].length);
  const rows = kind.keys.map((token, key) => {
    const score = vectors.keys[key].reduce((sum, number, i) => sum + number * vector[i], 0) / root;
    const values = Array.from({ length: shown }, (_, i) => weights[key] * vectors.values[key][i]);
    return { key, token, hidden: kind.hides(query, key), score, weight: weights[key], values };
  });
  const sums = Array.from({ length: shown }, (_, i) => rows.reduce((sum, row) => sum + row.values[i], 0));
  const denominator = rows.reduce((sum, row) => (row.hidden ? sum : sum + Math.exp(row.score)), 0);
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
  const worked = workedOut(kind, query);
  const table = byId("equation-table");
  if (!worked) {
    table.replaceChildren();
    byId("equation-note").textContent = "The queries, keys and values are not part of this data.";
    return;
  }
  table.replaceChildren(equationHead(worked), equationBody(worked), equationFoot(worked));
  const [size, shown] = [worked.size, worked.sums.length];
  byId("equation-note").textContent =
    `weight = e^score ÷ Σ e^score, here Σ e^score = ${told(worked.denominator)}. d_k = ${size}, ` +
    `√d_k = ${fixed(Math.sqrt(size), 3)}. Of ${size} dimensions of the values, the first ${shown} are written out. ` +
    "Hatched keys are hidden from this query: score −∞, weight 0.";
}

/** A large or small number in few digits. */
function told(number) {
  return number >= 1e5 || number < 1e-2 ? number.toExponential(2) : number.toFixed(2);
}

function equationHead({ vector, sums }) {
  const head = made("thead");
  const row = made("tr");
  row.append(made("th", { text: "key k", scope: "col" }));
  row.append(made("th", { text: "q · k ÷ √d_k", scope: "col" }), made("th", { text: "weight", scope: "col" }));
  sums.forEach((_, i) => {
    row.append(made("th", { text: `w·v${subscript(i + 1)}`, scope: "col", title: "weight times value" }));
  });
  const queryRow = made("tr", { kind: "quiet-row" });
  queryRow.append(made("th", { text: "the query q itself", scope: "row", colspan: 3 }));
  const most = largest(vector);
  sums.forEach((_, i) => queryRow.append(dimensionCell(vector[i], most, `q${subscript(i + 1)} = `)));
  head.append(row, queryRow);
  return head;
}

function equationBody({ rows, sums }) {
  const body = made("tbody");
  const seen = rows.filter((row) => !row.hidden);
  const mostScore = largest(seen.map((row) => row.score));
  const mostValue = largest(sums.concat(seen.flatMap((row) => row.values)));
  const order = byId("equation-sorted").checked ? rows.toSorted((a, b) => b.weight - a.weight || a.key - b.key) : rows;
  for (const { key, token, hidden, score, weight, values } of order) {
    const row = made("tr", { kind: hidden ? "unseen" : "" });
    row.classList.toggle("pointed", key === selection.key);
    const name = tokenPiece("th", token, "token");
    name.scope = "row";
    row.append(name, barCell(hidden ? null : score, mostScore, 2, true), barCell(hidden ? 0 : weight, 1, 3, false));
    values.forEach((value) => row.append(hidden ? made("td") : dimensionCell(value, mostValue)));
    body.append(row);
  }
  return body;
}

function equationFoot({ rows, sums }) {
  const foot = made("tfoot");
  const row = made("tr");
  const total = rows.reduce((sum, row) => sum + row.weight, 0);
  row.append(made("th", { text: "sum", scope: "row" }), made("td"), barCell(total, 1, 3, false));
  const most = largest(sums.concat(rows.flatMap((row) => row.values)));
  sums.forEach((value) => row.append(dimensionCell(value, most)));
  foot.append(row);
  return foot;
}

function subscript(number) {
  return String(number).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));
}

function largest(numbers) {
  return numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 1e-9);
}

/** A bar with its number beside it; from the middle where numbers may be negative. */
function barCell(number, most, digits, signed) {
  const cell = made("td", { kind: "bar-cell" });
  const box = made("div", { kind: "box" });
  if (number !== null) box.append(meter(number / most, signed));
  cell.append(box, made("span", { kind: "value", text: number === null ? "−∞" : fixed(number, digits) }));
  return cell;
}

/** A number in front of its bar. */
function dimensionCell(number, most, name = "") {
  const cell = made("td", { kind: "dimension" });
  const box = made("div", { kind: "box" });
  box.append(meter(number / most, true));
  cell.append(box, made("span", { text: fixed(number, 2) }));
  if (name) cell.title = name + fixed(number, 4);
  return cell;
}

function meter(share, signed) {
  const bar = made("i", { kind: share < 0 ? "meter minus" : "meter" });
  const size = Math.min(Math.abs(share), 1) * (signed ? 50 : 100);
  bar.style.width = `${size}%`;
  bar.style.left = `${signed ? (share < 0 ? 50 - size : 50) : 0}%`;
  return bar;
}

function listenToEquation() {
  byId("equation-query").addEventListener("change", (event) => hold(shownKind().side, +event.target.value));
  byId("equation-sorted").addEventListener("change", drawRows);
}
