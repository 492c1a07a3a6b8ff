// The form: sends its texts to the server, lists the translations, and shows the attention of the selected one.

/** AbortController of the running request; a new request aborts it. */
let running = null;
/** Decoding settings of the server, from `/health`; null until they have arrived. */
let defaults = null;

/** Sends a request and returns the JSON of its response; throws the server's message if it rejects the request. */
async function request(path, body, signal) {
  const options = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, { ...options, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const json = await response.json();
  // A message alone is the form of LibreTranslate's API.
  if (json.error) throw new Error(json.error.message ?? json.error);
  return json;
}

/** Shows a message below the form; an empty one hides it. */
function setStatus(text, failed = false) {
  byId("translate-status").textContent = text;
  byId("translate-status").classList.toggle("failed", failed);
}

/** Runs `task(signal)` and shows its error. A later task aborts an earlier one. */
async function runTask(task) {
  running?.abort();
  const controller = (running = new AbortController());
  try {
    await task(controller.signal);
  } catch (error) {
    if (error.name !== "AbortError") setStatus(error.message, true);
  } finally {
    if (running === controller) byId("translate").removeAttribute("aria-busy");
  }
}

function translate() {
  const text = byId("translate-text").value;
  if (!text.trim()) {
    byId("translate-text").focus();
    return;
  }
  const beam = byId("translate-beam").valueAsNumber;
  const options = { n_best: byId("translate-n-best").valueAsNumber };
  if (Number.isFinite(beam)) options.beam = beam;
  if (byId("translate-html").checked) options.format = "html";
  byId("translate").setAttribute("aria-busy", "true");
  runTask(async (signal) => {
    setStatus("Translating …");
    const pair = await chosenPair(text, signal);
    const { translations } = await request("/translate", { texts: [text], ...options, ...pair }, signal);
    // Of a text over a third language, whose own sentences are not listed.
    const { sentences: parts, problem } = translations[0];
    setStatus(parts && problem ? problemText(problem) : "");
    const isDefault = options.beam === undefined || options.beam === defaults?.beam;
    const sentences = parts ?? translations;
    showDocument(translations[0], sentences.length !== 1 || options.format === "html");
    // Sentences of a document are plain text; the only sentence of one has its markup.
    listTranslations(sentences, isDefault, pair, options.format === "html" && !parts ? textOfHtml : (text) => text);
    const first = document.querySelector("#results .result");
    if (!first || first.disabled) document.body.classList.add("no-attention");
    else await showAttention(first, signal);
  });
}

/** Shows the translation of the whole text, or hides it where its only sentence says the same. */
function showDocument({ text }, isShown) {
  byId("document").hidden = !isShown;
  byId("document-text").textContent = text;
  byId("document-copy").textContent = "Copy";
}

async function copyDocument() {
  await navigator.clipboard.writeText(byId("document-text").textContent);
  byId("document-copy").textContent = "Copied";
}

/**
 * Lists the translations of sentences. `isDefault`: the options are the server's own, so `/attend` finds the same best
 * translation. `plain` removes the markup of a text.
 */
function listTranslations(sentences, isDefault, pair, plain) {
  const several = sentences.length > 1;
  byId("results").replaceChildren(
    ...sentences.map((translation) => {
      const { alternatives = [], source } = translation;
      const item = createElement("li");
      if (several) item.append(textElement("p", source, "result-source"));
      const list = createElement("ol", { "aria-label": several ? `Translations of ${source}` : "Best first" });
      list.append(
        resultItem(translation, translation, isDefault, pair, plain),
        ...alternatives.map((hypothesis) => resultItem(hypothesis, translation, false, pair, plain)),
      );
      item.append(list);
      return item;
    }),
  );
}

/** One hypothesis as a button that shows its attention. */
function resultItem(hypothesis, { source, unknown, problem }, isDefault, pair, plain) {
  const button = createElement("button", { className: "result", type: "button" });
  const notes = [];
  if (Number.isFinite(hypothesis.score)) notes.push(`score ${fixed(hypothesis.score, 3)}`);
  if (problem) notes.push(problemText(problem));
  else if (!hypothesis.finished) notes.push("cut off at the length limit");
  if (unknown > 0) notes.push(`${unknown} unknown source token${unknown === 1 ? "" : "s"}`);
  button.append(
    textElement("bdi", hypothesis.text || "(empty)"),
    createElement("span", { text: notes.join(" · "), className: "score" }),
  );
  const [text, target] = [source, hypothesis.text].map((own) => plain(own)?.trim() ?? null);
  button.attendRequest = isDefault ? { text } : { text, target };
  if (pair) button.attendRequest.pair = pair;
  button.title = "Show the attention of this translation";
  // A given target always ends with </s>, and this hypothesis does not.
  if (!isDefault && !hypothesis.finished) {
    button.disabled = true;
    button.title =
      "No attention: a translation that is cut off has no end token. " +
      "Only the best translation with the server's own beam can be shown.";
  }
  if (!isDirect(pair)) {
    button.disabled = true;
    button.title = "No attention: two models translate over a third language.";
  }
  if (text === null || target === null) {
    button.disabled = true;
    button.title = "No attention: the text has more markup than a sentence. Send it without the markup.";
  } else if (/^[\s\p{Cc}\p{Cf}]*$/u.test(text)) {
    button.disabled = true;
    button.title = "No attention: the text has no tokens.";
  }
  if (problem) {
    button.disabled = true;
    button.title = "No attention: the model cannot read the whole text.";
  }
  button.addEventListener("click", () => runTask((signal) => showAttention(button, signal)));
  const item = createElement("li");
  item.append(button);
  return item;
}

/** Elements whose contents are translated together with the text around them. */
const FORMATTING = "a, b, bdi, cite, em, font, i, mark, p, q, s, small, span, strong, sub, sup, u";

/**
 * The text of an HTML fragment, which is parsed without being shown; null if it has elements beyond the formatting of a
 * sentence, whose contents the server may leave out.
 */
function textOfHtml(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  const isFormatting = (element) => element.matches(FORMATTING) && !element.matches("[translate], .notranslate");
  if (![...body.querySelectorAll("*")].every(isFormatting)) return null;
  return body.textContent.replace(/[\n\r\t\f]/g, " ");
}

/** Why a text has no translation, or that of its beginning only. */
function problemText({ kind, tokens, limit, reason }) {
  if (kind === "not_tokenized") return `skipped: ${reason}`;
  const length = `${tokens} tokens, at most ${limit}`;
  return kind === "cropped" ? `only the beginning: ${length}` : `too long: ${length}`;
}

/** An element with a model's or user's text, in its own writing direction. */
function textElement(tag, text, className = "") {
  return createElement(tag, { text, className, dir: "auto" });
}

/** Marks a result as selected, and shows its attention below the list. */
async function showAttention(button, signal) {
  setStatus("");
  for (const other of document.querySelectorAll("#results .result")) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  document.body.classList.add("no-attention");
  const attention = await request("/attend", button.attendRequest, signal);
  // Visible before it is drawn, because drawing measures the page.
  document.body.classList.remove("no-attention");
  show(attention);
}

/** Shows the model's name and size, or the number of models, and the server's beam as the default of the form. */
async function showModel() {
  const { model, decoding } = await request("/health");
  await showLanguages();
  if (!model) {
    byId("translate-model").textContent = `${models.length} model${models.length === 1 ? "" : "s"}`;
    return;
  }
  defaults = decoding;
  const parameters = model.parameters.toLocaleString("en");
  byId("translate-model").textContent = `${model.name} · ${parameters} parameters · ${model.backend}`;
  document.title = `Attend: ${model.name}`;
  if (!byId("translate-beam").value) byId("translate-beam").value = defaults.beam;
}

document.body.classList.add("no-attention");
byId("translate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
byId("translate-text").addEventListener("keydown", (event) => {
  // During composition in an input method, Enter selects a character instead of submitting the form.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("translate-form").requestSubmit();
  }
});
byId("document-copy").addEventListener("click", () => runTask(copyDocument));
runTask(showModel);
