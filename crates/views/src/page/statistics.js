// A table of statistics of each head, to find heads with a pattern.

const COLUMNS = [
  { name: "head", of: (row) => row.order },
  { name: "entropy", of: (row) => row.entropy, digits: 2 },
  { name: "distance", of: (row) => row.distance, digits: 2 },
  { name: "same position", of: (row) => row.same, share: true },
  { name: "previous position", of: (row) => row.previous, share: true },
  { name: "first position", of: (row) => row.first, share: true },
];

const sorting = { column: 0, descending: false };
let statistics = [];

/** Returns means over the queries of one head. */
function headStatistics(weights, rows, columns) {
  let [entropy, distance, same, previous, first] = [0, 0, 0, 0, 0];
  for (let query = 0; query < rows; query++) {
    for (let key = 0; key < columns; key++) {
      const weight = weights[query * columns + key];
      if (weight <= 0) continue;
      entropy -= weight * Math.log2(weight);
      distance += weight * Math.abs(query - key);
      if (key === query) same += weight;
      if (key === query - 1) previous += weight;
      if (key === 0) first += weight;
    }
  }
  [entropy, distance, same, first] = [entropy, distance, same, first].map((sum) => sum / rows);
  // The first query has no previous position.
  previous /= Math.max(rows - 1, 1);
  return { entropy, distance, same, previous, first };
}

function buildStatistics() {
  statistics = [];
  for (const name of KINDS) {
    const { layers, heads, weights, queries, keys } = page.kinds[name];
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const numbers = headStatistics(weights(layer, head), queries.length, keys.length);
        statistics.push({ order: statistics.length, name, layer, head, ...numbers });
      }
    }
  }
  byId("statistics-table").tHead.rows[0].replaceChildren(
    ...COLUMNS.map(({ name }, index) => {
      const cell = createElement("th", { scope: "col" });
      cell.append(createElement("button", { type: "button", text: name, "data-column": index }));
      return cell;
    }),
  );
  drawStatistics();
}

function drawStatistics() {
  const { of } = COLUMNS[sorting.column];
  const sign = sorting.descending ? -1 : 1;
  const kind = byId("statistics-kind").value;
  const rows = statistics.filter((row) => !kind || row.name === kind);
  rows.sort((a, b) => sign * (of(a) - of(b)) || a.order - b.order);
  const table = byId("statistics-table");
  [...table.tHead.rows[0].cells].forEach((cell, index) => {
    const order = sorting.descending ? "descending" : "ascending";
    cell.setAttribute("aria-sort", index === sorting.column ? order : "none");
  });
  const max = COLUMNS.map(({ of }) => maxMagnitude(rows.map(of)));
  table.tBodies[0].replaceChildren(
    ...rows.map((row) => {
      const line = createElement("tr");
      Object.assign(line.dataset, { kind: row.name, layer: row.layer, head: row.head });
      const name = createElement("td");
      name.append(createElement("button", { type: "button", text: headName(row.name, row.layer, row.head) }));
      line.append(name);
      COLUMNS.slice(1).forEach(({ of, digits, share }, index) => {
        line.append(barCell(of(row), share ? 1 : max[index + 1], digits ?? 3, false));
      });
      return line;
    }),
  );
  markStatistics();
}

function markStatistics() {
  for (const line of byId("statistics-table").tBodies[0].rows) {
    const { kind, layer, head } = line.dataset;
    const shown = kind === selection.kind && +layer === selection.layer && +head === selection.head;
    if (shown) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
  }
}

function listenToStatistics() {
  const table = byId("statistics-table");
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const column = +button.dataset.column;
    // The first click sorts numbers in descending order, names in ascending order.
    sorting.descending = sorting.column === column ? !sorting.descending : column > 0;
    sorting.column = column;
    drawStatistics();
  });
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (!line) return;
    selectHead(line.dataset.kind, +line.dataset.layer, +line.dataset.head);
    byId("head").scrollIntoView({ block: "start" });
  });
  byId("statistics-kind").addEventListener("change", drawStatistics);
}
