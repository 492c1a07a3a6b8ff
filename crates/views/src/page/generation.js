// The translation token by token: the decoder's input, the most probable next tokens, and its cross-attention.

function buildGeneration() {
  byId("generation").hidden = page.steps.length === 0;
  if (page.steps.length === 0) return;
  byId("step-slider").max = page.steps.length - 1;
  byId("generation-title").textContent = page.target.given ? "Token by token (given translation)" : "Token by token";
  const cross = page.kinds.cross;
  const options = [["selected", ""], ["all", "mean of all heads"]];
  for (let layer = 0; layer < cross.layers; layer++) options.push([layer, `mean of layer ${layer + 1}`]);
  fillSelect(byId("step-heads"), options, "all");
  labelSelectedHead();
}

/** Names the selected head in the list of heads. */
function labelSelectedHead() {
  const option = byId("step-heads").options[0];
  if (!option) return;
  const { layer, head } = selectedCross();
  option.textContent = `layer ${layer + 1}, head ${head + 1}`;
  if (byId("step-heads").value === "selected") drawStepWeights();
}

/** The head of the cross-attention in the place of the selected one, or the last: the encoder may have more of them. */
function selectedCross() {
  const cross = page.kinds.cross;
  return { layer: Math.min(selection.layer, cross.layers - 1), head: Math.min(selection.head, cross.heads - 1) };
}

/** A cache of means over heads, which every step uses. */
const meanWeights = new Map();

function stepWeights() {
  const cross = page.kinds.cross;
  const heads = byId("step-heads").value;
  if (heads === "selected") {
    const { layer, head } = selectedCross();
    return cross.weights(layer, head);
  }
  if (!meanWeights.has(heads)) {
    const layers = heads === "all" ? [...Array(cross.layers).keys()] : [+heads];
    const all = [...Array(cross.heads).keys()];
    meanWeights.set(heads, meanOf(layers.flatMap((layer) => all.map((head) => cross.weights(layer, head)))));
  }
  return meanWeights.get(heads);
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
  byId("read").replaceChildren(...read.map((input, i) => tokenElement("bdi", input, i === step ? "chip last" : "chip")));
  writeToken(byId("output-token"), token);
  byId("output-token").title = token;
  byId("output-probability").textContent = percent(probability);
  const rows = candidates.map((candidate) => ({ ...candidate, isOutput: candidate.token === token }));
  // A token of a given translation may not be among the most probable ones.
  if (!rows.some((row) => row.isOutput)) rows.push({ token, probability, isOutput: true });
  byId("candidates").replaceChildren(...rows.map(candidateRow));
  drawStepWeights();
}

function candidateRow({ token, probability, isOutput }) {
  const row = createElement("li", { className: isOutput ? "output" : "" });
  const track = createElement("div", { className: "track" });
  const bar = createElement("i");
  bar.style.width = `${100 * probability}%`;
  track.append(bar);
  row.append(tokenElement("bdi", token), track, createElement("span", { text: percent(probability) }));
  return row;
}

function drawStepWeights() {
  const cross = page.kinds.cross;
  if (page.steps.length === 0 || cross.heads === 0) return;
  const weights = stepWeights();
  const row = weights.subarray(selection.step * cross.keys.length, (selection.step + 1) * cross.keys.length);
  byId("step-weights").replaceChildren(
    ...cross.keys.map((token, key) => {
      const item = createElement("span", { className: "step-weight" });
      const column = createElement("span", { className: "column" });
      const bar = createElement("i");
      bar.style.height = `${100 * row[key]}%`;
      column.append(bar);
      item.append(column, createElement("small", { text: fixed(row[key], 2) }), tokenElement("bdi", token));
      return item;
    }),
  );
}

function listenToGeneration() {
  const steps = { "step-first": () => 0, "step-back": (step) => step - 1, "step-next": (step) => step + 1 };
  steps["step-last"] = () => page.steps.length - 1;
  for (const [id, to] of Object.entries(steps)) byId(id).addEventListener("click", () => setStep(to(selection.step)));
  byId("step-slider").addEventListener("input", (event) => setStep(+event.target.value));
  byId("step-heads").addEventListener("change", drawStepWeights);
  byId("generation").addEventListener("keydown", (event) => {
    // The slider and the list handle arrow keys themselves.
    if (event.target.matches("input, select")) return;
    const buttons = { ArrowLeft: "step-back", ArrowRight: "step-next", Home: "step-first", End: "step-last" };
    if (!(event.key in buttons)) return;
    event.preventDefault();
    setStep(steps[buttons[event.key]](selection.step));
  });
}
