// Colours of weights: one hue, darker with more weight, or brighter on a dark page.

const RAMPS = {
  light: ["fbfcfd", "d6e6f2", "a0c8e2", "60a0ce", "2670b0", "0e4482", "061e48"],
  dark: ["161b22", "143454", "14588a", "2880b8", "60acd8", "aad6ee", "f6fbff"],
};
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Returns 256 colours as red, green and blue. */
function ramp() {
  const hex = darkness.matches ? RAMPS.dark : RAMPS.light;
  const stops = hex.map((colour) => [0, 2, 4].map((start) => parseInt(colour.slice(start, start + 2), 16)));
  const colours = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(position), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      colours[3 * i + c] = stops[below][c] + (position - below) * (stops[below + 1][c] - stops[below][c]);
    }
  }
  return colours;
}

/** Returns a weight's position on the ramp, from 0 to 1. The square root makes small weights visible. */
function colourPosition(weight) {
  return selection.scale === "root" ? Math.sqrt(weight) : weight;
}

/** Returns a colour of the style sheet. */
function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Buffers that all maps reuse. */
const pixels = { canvas: new OffscreenCanvas(1, 1), image: new ImageData(1, 1) };
pixels.context = pixels.canvas.getContext("2d", { willReadFrequently: true });

/** Returns a map as a canvas with one pixel per weight, valid until the next call. */
function mapImage(weights, rows, columns, colours) {
  if (pixels.image.width !== columns || pixels.image.height !== rows) {
    Object.assign(pixels.canvas, { width: columns, height: rows });
    pixels.image = new ImageData(columns, rows);
  }
  const { data } = pixels.image;
  for (let i = 0; i < rows * columns; i++) {
    const colour = 3 * Math.round(255 * Math.min(colourPosition(weights[i]), 1));
    data[4 * i] = colours[colour];
    data[4 * i + 1] = colours[colour + 1];
    data[4 * i + 2] = colours[colour + 2];
    data[4 * i + 3] = 255;
  }
  pixels.context.putImageData(pixels.image, 0, 0);
  return pixels.canvas;
}

/** Hatches the masked half above the diagonal of a square map that covers the canvas. */
function drawHatching(context, n, width, height, spacing, [ground, lines] = [themeColour("masked"), themeColour("hatch")]) {
  context.save();
  context.beginPath();
  for (let query = 0; query < n; query++) {
    const top = (query * height) / n;
    context.rect(((query + 1) * width) / n, top, width, height / n);
  }
  context.clip();
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.strokeStyle = lines;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += spacing) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}

/** Pixels of a canvas that every browser draws: of a side, and in all. */
const CANVAS = { side: 16384, area: 16384 * 8192 };

/** Clears a canvas, sets its size in CSS pixels, and returns its context: at the screen's resolution, or less for large ones. */
function prepareCanvas(canvas, width, height) {
  const largest = Math.min(CANVAS.side / width, CANVAS.side / height, Math.sqrt(CANVAS.area / (width * height)));
  const density = Math.min(window.devicePixelRatio || 1, largest);
  canvas.width = Math.floor(width * density);
  canvas.height = Math.floor(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(density, density);
  return context;
}

/** Draws the ramp with its weights. */
function drawLegend() {
  const canvas = byId("legend");
  const context = prepareCanvas(canvas, 160, 10);
  const colours = ramp();
  for (let x = 0; x < 160; x++) {
    const colour = 3 * Math.round((255 * x) / 159);
    context.fillStyle = `rgb(${colours[colour]} ${colours[colour + 1]} ${colours[colour + 2]})`;
    context.fillRect(x, 0, 1, 10);
  }
  const ticks = selection.scale === "root" ? [0, 0.1, 0.25, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  byId("legend-ticks").replaceChildren(
    ...ticks.map((tick) => {
      const label = createElement("span", { text: String(tick) });
      label.style.left = `${160 * colourPosition(tick)}px`;
      return label;
    }),
  );
}
