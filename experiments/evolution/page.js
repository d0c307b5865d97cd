const data = JSON.parse(byId("data").textContent);
const { samples, losses } = data;
const last = samples.length - 1;
const firstStep = samples[0].step, span = Math.max(1, samples[last].step - firstStep);
const slider = byId("slider"), play = byId("play");
const formatNumber = (n) => n.toLocaleString("en-US");
let current = -1, timer = 0;

// Of a sample's pieces every second one is a word that the novel lacks.
const articles = samples.map(({ pieces }) => {
  const article = add(byId("samples"), "article");
  pieces.forEach((piece, n) => {
    if (n % 2) add(article, "span", "unknown", piece);
    // An end of a line within a paragraph, which a narrow screen shows as a space.
    else for (const part of piece.split(/(\n+)/))
      if (part) add(article, "span", part === "\n" ? "end" : "", part);
  });
  return article;
});

// --------------------------------------------------------------------------- plots

const placeX = (step) => (100 * (step - firstStep)) / span;

function addSVG(parent, tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  return parent.appendChild(element);
}

/** A plot of values by step, from low to high, with lines at [value, label].

    Its marks are placed in percent of it, so that it need not be drawn again. */
function addPlot(id, low, high, lines, dotClass) {
  const box = byId(id), placeY = (y) => (100 * (high - y)) / (high - low);
  for (const [y, label] of lines) {
    add(box, "hr").style.top = placeY(y) + "%";
    add(box, "div", "scale", label).style.top = placeY(y) + "%";
  }
  const svg = addSVG(box, "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  const mark = add(box, "div", "mark"), dot = add(box, "div", dotClass);
  const toPoint = ([step, y]) => [placeX(step), placeY(y)];
  return {
    toPoint,
    addPath: (name, points, end = "") => addSVG(svg, "path", {
      class: name, d: "M" + points.map((p) => p.map((x) => x.toFixed(3)).join(" ")).join("L") + end,
    }),
    move(step, y) {
      mark.style.left = dot.style.left = placeX(step) + "%";
      dot.style.top = placeY(y) + "%";
    },
  };
}

const trainLosses = losses.train.filter(([step]) => step >= firstStep);
const values = [...trainLosses, ...losses.valid].map(([, loss]) => loss);
const margin = 0.08 * (Math.max(...values) - Math.min(...values)) + 0.01;
const low = Math.min(...values) - margin, high = Math.max(...values) + margin;
const interval = high - low > 0.7 ? 0.5 : 0.1, lossLines = [];
for (let n = Math.ceil(low / interval); n * interval <= high; n++)
  lossLines.push([n * interval, (n * interval).toFixed(1)]);
const lossPlot = addPlot("losses", low, high, lossLines, "dot");
lossPlot.addPath("train", trainLosses.map(lossPlot.toPoint));
lossPlot.addPath("valid", losses.valid.map(lossPlot.toPoint));
const wordPlot = addPlot("words", 0, 1, [[0, "0%"], [1, "100%"]], "dot unknown");
const shares = samples.map(({ step, known }) => wordPlot.toPoint([step, known]));
wordPlot.addPath("wash", [[0, 0], ...shares, [100, 0]], "Z");
wordPlot.addPath("words", shares);

// ------------------------------------------------------------------------ controls

const isSampled = (step) => samples.some((sample) => sample.step === step);
const ticks = data.markedSteps.filter(isSampled).map((step) => {
  const button = add(byId("ticks"), "button", "", formatNumber(step));
  button.type = "button";
  button.title = "the post shows this step";
  button.style.left = placeX(step) + "%";
  button.addEventListener("click", () => { stop(); show(findNearest(step)); });
  return [step, button];
});

slider.min = firstStep;
slider.max = samples[last].step;
byId("every").textContent = formatNumber(data.sampleEvery);
byId("about").textContent = data.about;

function findNearest(step) {
  const distances = samples.map((sample) => Math.abs(sample.step - step));
  return distances.indexOf(Math.min(...distances));
}

function show(n, keepAddress = false) {
  n = Math.min(last, Math.max(0, n));
  const { step, valid, known } = samples[n];
  slider.value = step;
  slider.setAttribute("aria-valuetext", "step " + formatNumber(step));
  if (n === current) return;
  articles[current]?.classList.remove("current");
  articles[n].classList.add("current");
  current = n;
  byId("step").textContent = formatNumber(step);
  byId("loss").textContent = valid.toFixed(2);
  byId("known").textContent = Math.round(100 * known) + "%";
  lossPlot.move(step, valid);
  wordPlot.move(step, known);
  for (const [tick, button] of ticks) button.setAttribute("aria-current", tick === step);
  if (!keepAddress) history.replaceState(null, "", "#" + step);
}

function setPlaying(isPlaying) {
  play.setAttribute("aria-pressed", isPlaying);
  play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
}

function stop() {
  clearInterval(timer);
  timer = 0;
  setPlaying(false);
}

function start() {
  show(current === last ? 0 : current + 1);
  setPlaying(true);
  timer = setInterval(() => {
    show(current + 1);
    if (current === last) stop();
  }, data.sampleMilliseconds);
}

const toggle = () => (timer ? stop() : start());
const KEYS = {
  ArrowLeft: () => current - 1, ArrowDown: () => current - 1, PageDown: () => current - 5,
  ArrowRight: () => current + 1, ArrowUp: () => current + 1, PageUp: () => current + 5,
  Home: () => 0, End: () => last,
};
const ANYWHERE = ["ArrowLeft", "ArrowRight"]; // the others scroll, but on the slider

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === " " && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    toggle();
  } else if (event.key in KEYS && (event.target === slider || ANYWHERE.includes(event.key))) {
    event.preventDefault();
    stop();
    show(KEYS[event.key]());
  }
});
slider.addEventListener("input", () => { stop(); show(findNearest(+slider.value)); });
play.addEventListener("click", toggle);

function followAddress() {
  const { hash } = location;
  stop();
  show(/^#\d+$/.test(hash) ? findNearest(+hash.slice(1)) : 0, true);
}
addEventListener("hashchange", followAddress);
followAddress();
