// From a weight to a colour: one hue, evenly darker (or, on a dark page, brighter) with more weight.

const RAMPS = {
  light: [[251, 252, 253], [214, 230, 242], [160, 200, 226], [96, 160, 206], [38, 112, 176], [14, 68, 130], [6, 30, 72]],
  dark: [[22, 27, 34], [20, 52, 84], [20, 88, 138], [40, 128, 184], [96, 172, 216], [170, 214, 238], [246, 251, 255]],
};
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** 256 colours, each red, green and blue. */
function ramp() {
  const stops = darkness.matches ? RAMPS.dark : RAMPS.light;
  const colours = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      colours[3 * i + c] = stops[below][c] + (place - below) * (stops[below + 1][c] - stops[below][c]);
    }
  }
  return colours;
}

/** Where on the ramp a weight lies, from 0 to 1. The root lets small weights be seen. */
function strength(weight) {
  return selection.scale === "root" ? Math.sqrt(weight) : weight;
}

/** A colour of the style sheet. */
function named(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A map as a picture of one pixel per weight, on a canvas of its own. */
function pictured(weights, rows, columns, colours) {
  const canvas = new OffscreenCanvas(Math.max(columns, 1), Math.max(rows, 1));
  const image = new ImageData(canvas.width, canvas.height);
  for (let i = 0; i < rows * columns; i++) {
    const colour = 3 * Math.round(255 * Math.min(strength(weights[i]), 1));
    image.data[4 * i] = colours[colour];
    image.data[4 * i + 1] = colours[colour + 1];
    image.data[4 * i + 2] = colours[colour + 2];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Hatches the hidden half above the diagonal of a square map, which covers the whole canvas. */
function hatched(context, n, width, height, spacing) {
  context.save();
  context.beginPath();
  for (let query = 0; query < n; query++) {
    const top = (query * height) / n;
    context.rect(((query + 1) * width) / n, top, width, height / n);
  }
  context.clip();
  context.fillStyle = named("hidden");
  context.fillRect(0, 0, width, height);
  context.strokeStyle = named("hatch");
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += spacing) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}

/** Sizes a canvas in CSS pixels, sharp on the screen at hand, and empties it. */
function prepared(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(density, density);
  return context;
}

/** The ramp with its numbers. */
function drawLegend() {
  const canvas = byId("legend");
  const context = prepared(canvas, 160, 10);
  const colours = ramp();
  for (let x = 0; x < 160; x++) {
    const colour = 3 * Math.round((255 * x) / 159);
    context.fillStyle = `rgb(${colours[colour]} ${colours[colour + 1]} ${colours[colour + 2]})`;
    context.fillRect(x, 0, 1, 10);
  }
  const ticks = selection.scale === "root" ? [0, 0.1, 0.25, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  byId("legend-ticks").replaceChildren(
    ...ticks.map((tick) => {
      const label = made("span", { text: String(tick) });
      label.style.left = `${160 * strength(tick)}px`;
      return label;
    }),
  );
}
