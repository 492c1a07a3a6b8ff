// From a weight to a colour: one hue, evenly darker (or, on a dark page, brighter) with more weight.

const RAMPS = {
  light: ["fbfcfd", "d6e6f2", "a0c8e2", "60a0ce", "2670b0", "0e4482", "061e48"],
  dark: ["161b22", "143454", "14588a", "2880b8", "60acd8", "aad6ee", "f6fbff"],
};
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** 256 colours, each red, green and blue. */
function ramp() {
  const written = darkness.matches ? RAMPS.dark : RAMPS.light;
  const stops = written.map((colour) => [0, 2, 4].map((place) => parseInt(colour.slice(place, place + 2), 16)));
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

/** Reused for one map after the other: there are many. */
const pixels = { canvas: new OffscreenCanvas(1, 1), image: new ImageData(1, 1) };
pixels.context = pixels.canvas.getContext("2d", { willReadFrequently: true });

/** A map as a picture of one pixel per weight, good until the next one is asked for. */
function pictured(weights, rows, columns, colours) {
  if (pixels.image.width !== columns || pixels.image.height !== rows) {
    Object.assign(pixels.canvas, { width: columns, height: rows });
    pixels.image = new ImageData(columns, rows);
  }
  const { data } = pixels.image;
  for (let i = 0; i < rows * columns; i++) {
    const colour = 3 * Math.round(255 * Math.min(strength(weights[i]), 1));
    data[4 * i] = colours[colour];
    data[4 * i + 1] = colours[colour + 1];
    data[4 * i + 2] = colours[colour + 2];
    data[4 * i + 3] = 255;
  }
  pixels.context.putImageData(pixels.image, 0, 0);
  return pixels.canvas;
}

/** Hatches the hidden half above the diagonal of a square map, which covers the whole canvas. */
function hatched(context, n, width, height, spacing, [ground, lines] = [named("hidden"), named("hatch")]) {
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
