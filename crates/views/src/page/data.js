// Reads the data of the page: the packed form that is embedded, or the JSON of `infer attend` with nested arrays.
//
// Packed vectors become arrays on first use.

const KINDS = ["encoder", "decoder", "cross"];

/** Returns an object with the same access to both forms. */
function readData(data) {
  const source = { text: data.source.text, tokens: data.source.tokens };
  const target = data.target;
  const sides = { encoder: ["source", "source"], decoder: ["target", "target"], cross: ["target", "source"] };
  const tokensOf = { source: source.tokens, target: target.inputs };
  const kinds = {};
  for (const name of KINDS) {
    const [side, keySide] = sides[name];
    const maps = readMaps(data.maps[name], tokensOf[side].length, tokensOf[keySide].length);
    kinds[name] = {
      name,
      title: name[0].toUpperCase() + name.slice(1),
      side,
      keySide,
      queries: tokensOf[side],
      keys: tokensOf[keySide],
      // The decoder's self-attention masks later tokens.
      isMasked: (query, key) => name === "decoder" && key > query,
      layers: maps.length,
      heads: maps.length > 0 ? maps[0].length : 0,
      weights: (layer, head) => maps[layer][head],
      vectors: readVectors(data.vectors[name] || []),
    };
  }
  return { source, target, kinds, steps: data.steps, width: data.d_model };
}

/** Returns `[layer][head]`, each a row-major array of weights. */
function readMaps(packed, rows, columns) {
  if (Array.isArray(packed)) return packed.map((layer) => layer.map((head) => Float32Array.from(head.flat())));
  const [layers, heads] = packed.shape;
  const numbers = new Uint16Array(bytes(packed.data).buffer);
  const size = rows * columns;
  const head = (layer, head) => scaleNumbers(numbers, (layer * heads + head) * size, size, 1 / 65535);
  return Array.from({ length: layers }, (_, l) => Array.from({ length: heads }, (_, h) => head(l, h)));
}

/** Returns `vectors(layer, head)`: rows of queries, keys and values, or null if the data has none. */
function readVectors(layers) {
  const cache = new Map();
  return (layer, head) => {
    if (!layers[layer]) return null;
    if (!cache.has(layer)) {
      const [queries, keys, values] = ["queries", "keys", "values"].map((name) => readMatrices(layers[layer][name]));
      cache.set(layer, { queries, keys, values });
    }
    const { queries, keys, values } = cache.get(layer);
    return { queries: queries[head], keys: keys[head], values: values[head] };
  };
}

function readMatrices(packed) {
  if (Array.isArray(packed)) return packed;
  const [heads, rows, columns] = packed.shape;
  const numbers = new Int16Array(bytes(packed.data).buffer);
  const row = (head, row) => scaleNumbers(numbers, (head * rows + row) * columns, columns, packed.scales[head]);
  return Array.from({ length: heads }, (_, h) => Array.from({ length: rows }, (_, r) => row(h, r)));
}

/** Multiplies a slice of numbers by a scale. A plain loop: a large page has half a million weights. */
function scaleNumbers(numbers, start, size, scale) {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = numbers[start + i] * scale;
  return values;
}

function bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const letters = atob(base64);
  const numbers = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) numbers[i] = letters.charCodeAt(i);
  return numbers;
}

/** Returns the mean of weight maps of the same shape. */
function meanOf(maps) {
  const mean = new Float32Array(maps.length > 0 ? maps[0].length : 0);
  for (const map of maps) for (let i = 0; i < mean.length; i++) mean[i] += map[i] / maps.length;
  return mean;
}
