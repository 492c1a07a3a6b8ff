// The translation token by token: what the decoder has read, what might come next, and where it looks meanwhile.

function buildGeneration() {
  const some = page.steps.length > 0;
  byId("generation").hidden = !some;
  if (!some) return;
  byId("step-slider").max = page.steps.length - 1;
  byId("generation-title").textContent = page.target.given ? "Token by token, as given" : "Token by token";
  const cross = page.kinds.cross;
  const options = [["shown", ""], ["all", "all heads of all layers"]];
  for (let layer = 0; layer < cross.layers; layer++) options.push([layer, `the heads of layer ${layer + 1}`]);
  fillSelect(byId("looks-of"), options, "all");
  drawLooksOf();
}

/** The name of the choice that follows the head on show. */
function drawLooksOf() {
  const option = byId("looks-of").options[0];
  if (!option) return;
  option.textContent = `nothing: layer ${selection.layer + 1}, head ${selection.head + 1} alone`;
  if (byId("looks-of").value === "shown") drawLooks();
}

/** Averages over heads are costly and asked for at every step: each is kept. */
const looksKept = new Map();

function looksWeights() {
  const cross = page.kinds.cross;
  const of = byId("looks-of").value;
  if (of === "shown") {
    const [layer, head] = [Math.min(selection.layer, cross.layers - 1), Math.min(selection.head, cross.heads - 1)];
    return cross.weights(layer, head);
  }
  if (!looksKept.has(of)) {
    const layers = of === "all" ? [...Array(cross.layers).keys()] : [+of];
    const heads = [...Array(cross.heads).keys()];
    looksKept.set(of, meanOf(layers.flatMap((layer) => heads.map((head) => cross.weights(layer, head)))));
  }
  return looksKept.get(of);
}

function drawStep() {
  if (page.steps.length === 0) return;
  const { step } = selection;
  const last = page.steps.length - 1;
  const { token, probability, candidates } = page.steps[step];
  byId("step-slider").value = step;
  byId("step-slider").setAttribute("aria-valuetext", `step ${step + 1}: ${token}`);
  byId("step-count").textContent = `step ${step + 1} of ${last + 1}`;
  byId("step-first").disabled = byId("step-back").disabled = step === 0;
  byId("step-last").disabled = byId("step-next").disabled = step === last;
  const read = page.target.inputs.slice(0, step + 1);
  byId("read").replaceChildren(...read.map((input, i) => tokenPiece("bdi", input, i === step ? "chip last" : "chip")));
  writeToken(byId("said"), token);
  byId("said").title = token;
  byId("said-probability").textContent = percent(probability);
  const rows = candidates.map((candidate) => ({ ...candidate, came: candidate.token === token }));
  // A given translation need not be what the model would have said.
  if (!rows.some((row) => row.came)) rows.push({ token, probability, came: true });
  byId("candidates").replaceChildren(...rows.map(candidateRow));
  drawLooks();
}

function candidateRow({ token, probability, came }) {
  const row = made("li", { kind: came ? "came" : "" });
  const track = made("div", { kind: "track" });
  const bar = made("i");
  bar.style.width = `${100 * probability}%`;
  track.append(bar);
  row.append(tokenPiece("bdi", token), track, made("span", { text: percent(probability) }));
  return row;
}

function drawLooks() {
  const cross = page.kinds.cross;
  if (page.steps.length === 0 || cross.heads === 0) return;
  const weights = looksWeights();
  const row = weights.subarray(selection.step * cross.keys.length, (selection.step + 1) * cross.keys.length);
  byId("looks").replaceChildren(
    ...cross.keys.map((token, key) => {
      const look = made("span", { kind: "look" });
      const column = made("span", { kind: "column" });
      const bar = made("i");
      bar.style.height = `${100 * row[key]}%`;
      column.append(bar);
      look.append(column, made("small", { text: fixed(row[key], 2) }), tokenPiece("bdi", token));
      return look;
    }),
  );
}

function listenToGeneration() {
  const steps = { "step-first": () => 0, "step-back": (step) => step - 1, "step-next": (step) => step + 1 };
  steps["step-last"] = () => page.steps.length - 1;
  for (const [id, to] of Object.entries(steps)) byId(id).addEventListener("click", () => goToStep(to(selection.step)));
  byId("step-slider").addEventListener("input", (event) => goToStep(+event.target.value));
  byId("looks-of").addEventListener("change", drawLooks);
  byId("generation").addEventListener("keydown", (event) => {
    // The slider and the list have arrow keys of their own.
    if (event.target.matches("input, select")) return;
    const buttons = { ArrowLeft: "step-back", ArrowRight: "step-next", Home: "step-first", End: "step-last" };
    if (!(event.key in buttons)) return;
    event.preventDefault();
    goToStep(steps[buttons[event.key]](selection.step));
  });
}
