// Elements of the page. Text of models and users becomes text content, never markup.

function byId(id) {
  return document.getElementById(id);
}

/** Creates an element with text, a class and attributes. */
function createElement(tag, { text, className, ...attributes } = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Writes a token: the mark of a leading space, or of white space alone, is pale, and a leading accent gets a dotted circle. */
function writeToken(element, token) {
  element.classList.toggle("mark-alone", /^\p{M}/u.test(token));
  if (/^\s+$/u.test(token)) {
    element.replaceChildren(createElement("span", { text: "▁", className: "space" }));
    return;
  }
  const space = token.startsWith("▁") && token.length > 1;
  element.replaceChildren(...(space ? [createElement("span", { text: "▁", className: "space" }), token.slice(1)] : [token]));
}

/** Creates an element for a token with its own writing direction and the whole token as title. */
function tokenElement(tag, token, className = "") {
  const element = createElement(tag, { className, dir: "auto", title: token });
  writeToken(element, token);
  return element;
}

/** Fills `parent` with the labels of one side of a map. `role` is "query" or "key"; queries can have the focus. */
function tokenLabels(parent, tokens, role) {
  parent.replaceChildren(
    ...tokens.map((token, index) => {
      const label = tokenElement("div", token, "label");
      label.title = `${index + 1}: ${token}`;
      label.dataset[role] = index;
      label.setAttribute("role", role === "query" ? "option" : "listitem");
      if (role === "query") {
        label.tabIndex = index === 0 ? 0 : -1;
        label.setAttribute("aria-selected", "false");
      }
      return label;
    }),
  );
}

/** Moves the focus within a group, of which Tab reaches one element only. */
function moveFocus(group, element) {
  for (const other of group) other.tabIndex = other === element ? 0 : -1;
  element.focus({ preventScroll: false });
}

/** Returns a function that runs `work` in the next frame, once per frame at most. */
function oncePerFrame(work) {
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

/** Formats a number with fixed digits after the point; the minus sign is U+2212, and zero has none. */
function fixed(number, digits) {
  const text = number.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** Fills a `<select>` with options, each `[value, label]`. */
function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([value, text]) => createElement("option", { value, text })));
  select.value = value;
}
