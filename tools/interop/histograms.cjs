// usage: node histograms.cjs LOG
// Decodes every line of an HdrHistogram interval log with hdr-histogram-js, merges by tag, and
// prints {tag: {count, max, p50, p90, p99}}, of percentiles the neighbors (see histograms.py).
const fs = require('fs');
const hdr = require('hdr-histogram-js');

const merged = {};
for (const line of fs.readFileSync(process.argv[2], 'utf8').split('\n')) {
  const fields = /^Tag=([^,]*),[\d.]*,[\d.]*,[\d.]*,(.*)$/.exec(line);
  if (!fields) continue;
  const histogram = hdr.decodeFromCompressedBase64(fields[2]);
  if (merged[fields[1]]) merged[fields[1]].add(histogram);
  else merged[fields[1]] = histogram;
}
const around = (h, p) => {
  const one = 100 / h.totalCount;
  return [Math.max(p - one, 0), Math.min(p + one, 100)].map((q) => h.getValueAtPercentile(q));
};
const figures = (h) => ({
  count: h.totalCount, max: h.maxValue, p50: around(h, 50), p90: around(h, 90), p99: around(h, 99),
});
console.log(JSON.stringify(Object.fromEntries(
  Object.entries(merged).map(([tag, histogram]) => [tag, figures(histogram)]))));
