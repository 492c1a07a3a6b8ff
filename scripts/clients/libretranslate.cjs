// The client `libretranslate` 1.0 of npm, unchanged, against a server of Attend.
//
//     node scripts/clients/libretranslate.cjs URL MODULE     # URL of `infer serve --model en-de=RUN`, the module's folder

const [url, module_folder] = process.argv.slice(2);
const { translate } = require(module_folder || "libretranslate");

async function main() {
  const query = "A man is riding a bicycle.";
  const translated = await translate({ query, source: "en", target: "de", apiurl: url });
  const detected = await translate({ query, target: "de", apiurl: url });
  if (!translated || translated === query || detected !== translated) throw new Error(`found ${translated} and ${detected}`);
  console.log(`libretranslate: ${translated}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
