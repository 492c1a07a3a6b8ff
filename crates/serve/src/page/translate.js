// The form: what is typed goes to the server, what it answers is listed, and what it looked at on the way is shown.

let asking = null;
// How the server decodes where nothing is asked for; known when it has said so.
let usual = null;

/** Asks the server, which answers with JSON, or says why not. */
async function ask(path, body, signal) {
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
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer;
}

function say(text, failed = false) {
  byId("ask-status").textContent = text;
  byId("ask-status").classList.toggle("failed", failed);
}

/** Does what was asked for, unless something else is asked for before it is done. */
async function asked(work) {
  asking?.abort();
  const mine = (asking = new AbortController());
  try {
    await work(mine.signal);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  } finally {
    if (asking === mine) byId("ask").removeAttribute("aria-busy");
  }
}

function translate() {
  const texts = byId("ask-text").value.split("\n").filter((line) => line.trim());
  if (texts.length === 0) {
    byId("ask-text").focus();
    return;
  }
  const options = { beam: byId("ask-beam").valueAsNumber, n_best: byId("ask-n-best").valueAsNumber };
  byId("ask").setAttribute("aria-busy", "true");
  asked(async (signal) => {
    say("…");
    const { translations } = await ask("/translate", { texts, ...options }, signal);
    say("");
    list(translations, options.beam === usual?.beam);
    const first = document.querySelector("#answers .answer");
    if (first.disabled) document.body.classList.add("waiting");
    else await look(first, signal);
  });
}

/** Lists what came; `unasked` is whether the model says the same where no options are given. */
function list(translations, unasked) {
  const several = translations.length > 1;
  byId("answers").replaceChildren(
    ...translations.map((translation) => {
      const { alternatives = [], source } = translation;
      const item = made("li");
      if (several) item.append(textPiece("p", source, "of"));
      const answers = made("ol", { "aria-label": several ? `Translations of ${source}` : "Best first" });
      answers.append(
        listed(translation, translation, unasked),
        ...alternatives.map((answer) => listed(answer, translation, false)),
      );
      item.append(answers);
      return item;
    }),
  );
}

/** One translation, to be chosen for a look at its attention. */
function listed(answer, { source, unknown }, unasked) {
  const button = made("button", { kind: "answer", type: "button" });
  const notes = [];
  if (answer.score !== undefined) notes.push(`score ${fixed(answer.score, 3)}`);
  if (!answer.finished) notes.push("cut off by the length limit");
  if (unknown > 0) notes.push(`${unknown} unknown source token${unknown === 1 ? "" : "s"}`);
  button.append(textPiece("bdi", answer.text || "(nothing)"), made("span", { text: notes.join(" · "), kind: "score" }));
  button.lookAt = unasked ? { text: source } : { text: source, target: answer.text };
  button.title = "Show what the model attends to";
  // A target that is given ends with </s>, which this one does not.
  if (!unasked && !answer.finished) {
    button.disabled = true;
    button.title = "What was cut off can only be shown with the beam that the server starts with, as the best answer";
  }
  button.addEventListener("click", () => asked((signal) => look(button, signal)));
  const item = made("li");
  item.append(button);
  return item;
}

function textPiece(tag, text, kind = "") {
  return made(tag, { text, kind, dir: "auto" });
}

/** Shows the attention of one translation beneath. */
async function look(button, signal) {
  say("");
  for (const other of document.querySelectorAll("#answers .answer")) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  document.body.classList.add("waiting");
  const attention = await ask("/attend", button.lookAt, signal);
  // Shown before it is drawn, since drawing measures.
  document.body.classList.remove("waiting");
  show(attention);
}

async function introduce() {
  const { model, decoding } = await ask("/health");
  usual = decoding;
  const parameters = model.parameters.toLocaleString("en");
  byId("ask-model").textContent = `${model.name} · ${parameters} parameters · ${model.backend}`;
  document.title = `Attend: ${model.name}`;
  if (!byId("ask-beam").value) byId("ask-beam").value = usual.beam;
}

document.body.classList.add("waiting");
byId("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
byId("ask-text").addEventListener("keydown", (event) => {
  // Enter also ends the choice of a character in many scripts, which is not to be taken for the end of the text.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("ask-form").requestSubmit();
  }
});
asked(introduce);
