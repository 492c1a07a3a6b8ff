// Pieces of the page. Text of a model only ever arrives as text, never as markup.

function byId(id) {
  return document.getElementById(id);
}

/** An element with text, a class and attributes. */
function made(tag, { text, kind, ...attributes } = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Writes a token, with the mark of its leading space held back, and a circle for an accent to stand on. */
function writeToken(element, token) {
  element.classList.toggle("mark-alone", /^\p{M}/u.test(token));
  const space = token.startsWith("▁") && token.length > 1;
  element.replaceChildren(...(space ? [made("span", { text: "▁", kind: "space" }), token.slice(1)] : [token]));
}

/** A token set apart from the text around it, whichever way it is written; a long one is cut off, its title whole. */
function tokenPiece(tag, token, kind = "") {
  const element = made(tag, { kind, dir: "auto", title: token });
  writeToken(element, token);
  return element;
}

/** Labels of one side of a map. Queries can be focused, one at a time, with the arrow keys going on. */
function tokenLabels(holder, tokens, use) {
  holder.replaceChildren(
    ...tokens.map((token, index) => {
      const label = tokenPiece("div", token, "label");
      label.title = `${index + 1}: ${token}`;
      label.dataset[use] = index;
      label.setAttribute("role", use === "query" ? "option" : "listitem");
      if (use === "query") {
        label.tabIndex = index === 0 ? 0 : -1;
        label.setAttribute("aria-selected", "false");
      }
      return label;
    }),
  );
}

/** Moves the one reachable element of a group, and the focus with it. */
function focusOne(group, element) {
  for (const other of group) other.tabIndex = other === element ? 0 : -1;
  element.focus({ preventScroll: false });
}

/** At most once a frame, however often it is asked for. */
function onceAFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

/** Digits after the point, with a proper minus sign and none before a zero. */
function fixed(number, digits) {
  const text = number.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** Options of a `<select>`, `[value, label]` each. */
function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([value, text]) => made("option", { value, text })));
  select.value = value;
}
