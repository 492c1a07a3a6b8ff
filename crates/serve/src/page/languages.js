// The languages of the server: two lists, and the detected language of a text.

/** Languages from `/languages`, each with `code`, `name` and `targets`. */
let languages = [];
/** Models from `/models`. */
let models = [];

/** The value of the first list for texts of an unknown language. */
const DETECT = "";

/** Fills a list with languages and keeps its value if that is among them. */
function fillLanguages(list, codes, first = []) {
  const previous = list.value;
  const name = (code) => languages.find((language) => language.code === code)?.name ?? code;
  const options = codes.map((code) => createElement("option", { text: name(code), value: code }));
  list.replaceChildren(...first, ...options);
  if ([...list.options].some((option) => option.value === previous)) list.value = previous;
}

/** Lists the targets of the chosen source. */
function listTargets() {
  const source = byId("translate-source").value;
  const all = languages.filter((language) => source === DETECT || language.code === source);
  const targets = new Set(all.flatMap(({ code, targets }) => targets.filter((target) => target !== code)));
  fillLanguages(byId("translate-target"), languages.map(({ code }) => code).filter((code) => targets.has(code)));
  byId("translate-detected").textContent = "";
}

/** Shows the lists if the server has languages. */
async function showLanguages() {
  [languages, { models }] = await Promise.all([request("/languages"), request("/models")]);
  const translates = languages.filter(({ code, targets }) => targets.some((target) => target !== code));
  byId("translate-languages").hidden = translates.length === 0;
  const detect = createElement("option", { text: "Detect language", value: DETECT });
  fillLanguages(byId("translate-source"), translates.map(({ code }) => code), [detect]);
  const [first] = models.filter(({ sources }) => sources.length > 0);
  if (first) byId("translate-source").value = first.sources[0];
  listTargets();
  const target = first?.targets.find((code) => code !== first.sources[0]);
  if (target) byId("translate-target").value = target;
}

/** Exchanges source and target, if the server has the direction. */
function swapLanguages() {
  const [source, target] = [byId("translate-source"), byId("translate-target")];
  const former = source.value;
  if (![...source.options].some((option) => option.value === target.value)) return;
  source.value = target.value;
  listTargets();
  if ([...target.options].some((option) => option.value === former)) target.value = former;
}

/** The languages of a request, or null where the server has none. Detects the source if it is not chosen. */
async function chosenPair(text, signal) {
  if (byId("translate-languages").hidden) return null;
  const target = byId("translate-target").value;
  let source = byId("translate-source").value;
  if (source === DETECT) {
    const [found] = await request("/detect", { q: text.slice(0, 2000).replace(/[\ud800-\udbff]$/, "") }, signal);
    const language = languages.find(({ code }) => code === found?.language);
    byId("translate-detected").textContent = language ? `Detected: ${language.name}` : "";
    source = language?.code ?? target;
    if (source === target) throw new Error("The text is in the target language already. Choose another source or target.");
  }
  return { source, target };
}

/** Whether one model translates a pair, rather than two over a third language. */
function isDirect(pair) {
  const { source, target } = pair ?? {};
  return !pair || models.some(({ sources, targets }) => sources.includes(source) && targets.includes(target));
}

byId("translate-source").addEventListener("change", listTargets);
byId("translate-swap").addEventListener("click", swapLanguages);
