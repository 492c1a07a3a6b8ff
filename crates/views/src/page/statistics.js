// What each head does on average, as a table to find the ones worth seeing.

const COLUMNS = [
  { name: "head", of: (row) => row.order },
  { name: "entropy", of: (row) => row.entropy, digits: 2 },
  { name: "distance", of: (row) => row.distance, digits: 2 },
  { name: "own place", of: (row) => row.own, share: true },
  { name: "place before", of: (row) => row.before, share: true },
  { name: "first place", of: (row) => row.first, share: true },
];

const sorting = { column: 0, downwards: false };
let statistics = [];

/** Means over the queries of one head. */
function described(weights, rows, columns) {
  let [entropy, distance, own, before, first] = [0, 0, 0, 0, 0];
  for (let query = 0; query < rows; query++) {
    for (let key = 0; key < columns; key++) {
      const weight = weights[query * columns + key];
      if (weight <= 0) continue;
      entropy -= weight * Math.log2(weight);
      distance += weight * Math.abs(query - key);
      if (key === query) own += weight;
      if (key === query - 1) before += weight;
      if (key === 0) first += weight;
    }
  }
  // The first query has no place before it.
  const several = Math.max(rows - 1, 1);
  [entropy, distance, own, first] = [entropy, distance, own, first].map((sum) => sum / rows);
  return { entropy, distance, own, before: before / several, first };
}

function buildStatistics() {
  statistics = [];
  for (const name of KINDS) {
    const { layers, heads, weights, queries, keys } = page.kinds[name];
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const numbers = described(weights(layer, head), queries.length, keys.length);
        statistics.push({ order: statistics.length, name, layer, head, ...numbers });
      }
    }
  }
  byId("statistics-table").tHead.rows[0].replaceChildren(
    ...COLUMNS.map(({ name }, index) => {
      const cell = made("th", { scope: "col" });
      cell.append(made("button", { type: "button", text: name, "data-column": index }));
      return cell;
    }),
  );
  drawStatistics();
}

function drawStatistics() {
  const { of } = COLUMNS[sorting.column];
  const sign = sorting.downwards ? -1 : 1;
  const only = byId("statistics-kind").value;
  const rows = statistics.filter((row) => !only || row.name === only);
  rows.sort((a, b) => sign * (of(a) - of(b)) || a.order - b.order);
  const table = byId("statistics-table");
  [...table.tHead.rows[0].cells].forEach((cell, index) => {
    const order = sorting.downwards ? "descending" : "ascending";
    cell.setAttribute("aria-sort", index === sorting.column ? order : "none");
  });
  const most = COLUMNS.map(({ of }) => largest(rows.map(of)));
  table.tBodies[0].replaceChildren(
    ...rows.map((row) => {
      const line = made("tr");
      Object.assign(line.dataset, { kind: row.name, layer: row.layer, head: row.head });
      const name = made("td");
      name.append(made("button", { type: "button", text: headName(row.name, row.layer, row.head) }));
      line.append(name);
      COLUMNS.slice(1).forEach(({ of, digits, share }, index) => {
        line.append(barCell(of(row), share ? 1 : most[index + 1], digits ?? 3, false));
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
    // Numbers are first wanted largest first, names from the top.
    sorting.downwards = sorting.column === column ? !sorting.downwards : column > 0;
    sorting.column = column;
    drawStatistics();
  });
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (!line) return;
    chooseHead(line.dataset.kind, +line.dataset.layer, +line.dataset.head);
    byId("head").scrollIntoView({ block: "start" });
  });
  byId("statistics-kind").addEventListener("change", drawStatistics);
}
