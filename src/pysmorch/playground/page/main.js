// The page: its controls, its connection, and what is shown of each state.

import { BackwardView } from "./backward.js";
import { NetworkView, element } from "./network.js";
import { barLength, classColour, classLetter, number, onTheme, paintCurves, paintPlane } from "./pictures.js";

const $ = (id) => document.getElementById(id);
const DEFAULTS = {
  data: "spiral", count: 500, noise: 0.1, features: [], target: "",
  layers: [{ units: 8, activation: "tanh" }, { units: 8, activation: "tanh" }],
  optimizer: "adam", learning_rate: 0.01, dropout: 0, batch_size: 32, seed: 0,
};
const PACES = ["slow", "normal", "fastest"];
const WAIT = 120; // milliseconds until a change is sent, so that a slider sends one and not fifty

let settings = structuredClone(DEFAULTS);
let choices = null;
let file = null;
let points = null;
let state = null;
let selected = null;
let running = false;
let generation = 0; // of the settings that were sent; answers of older ones are not shown
let waiting = 0;
let refused = ""; // what is wrong with the settings of the page, which the server has not taken

const network = new NetworkView($("layers"), $("wires"), (layers, focus, words) => {
  change({ layers });
  $(focus)?.focus();
  say(words);
}, (unit) => {
  selected = unit;
  showPlane();
});
const backward = new BackwardView({ pass: $("pass"), diagram: $("diagram"), card: $("card"), back: $("steps-back"), next: $("steps-next") });

const socket = new WebSocket(`ws://${location.host}/session`);
socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
socket.addEventListener("close", () => {
  showRunning(false);
  document.querySelectorAll("button, select, input").forEach((control) => (control.disabled = true));
  if ($("error").hidden) showError("The connection has ended: start  pysmorch playground  again if it was ended, and reload this page.");
});

function send(request) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}

function receive(message) {
  if (message.kind === "hello") begin(message);
  else if (message.kind === "error") {
    showRunning(false);
    showError(message.message);
    if (message.of === "set") refused = message.message;
  } else if (message.generation !== generation || waiting) return; // of settings that are not those of the page any more
  else if (message.kind === "points") showPoints(message);
  else if (message.kind === "state") showState(message);
  else if (message.kind === "steps") backward.begin(message);
  else if (message.kind === "code") showCode(message.code);
}

// The controls.

function begin(hello) {
  choices = hello;
  const groups = [["Classification", hello.data.classification], ["Regression", hello.data.regression]];
  $("data").append(...groups.map(([label, names]) => element("optgroup", { label }, ...options(names))));
  $("optimizer").append(...Object.entries(hello.optimizers).map(([value, shown]) => element("option", { value }, shown)));
  $("learning-rate").append(...options(hello.learning_rates));
  $("batch-size").append(...options(hello.batch_sizes));
  $("dropout").append(...options(hello.dropouts));
  $("pace").append(...hello.paces.map((value, i) => element("option", { value, selected: i === 1 }, PACES[i])));
  showSettings();
  send({ do: "set", generation: ++generation, settings });
}

function options(values) {
  return values.map((value) => element("option", { value }, String(value)));
}

function showSettings() {
  for (const [id, name] of [["data", "data"], ["count", "count"], ["noise", "noise"], ["optimizer", "optimizer"], ["learning-rate", "learning_rate"],
    ["batch-size", "batch_size"], ["dropout", "dropout"], ["seed", "seed"], ["target", "target"]]) $(id).value = settings[name];
  [$("feature-1").value, $("feature-2").value] = settings.features;
  showSliders();
  const isFile = settings.data === "upload";
  document.querySelectorAll(".drawn").forEach((field) => (field.hidden = isFile));
  document.querySelectorAll(".uploaded").forEach((field) => (field.hidden = !isFile));
  $("add-layer").disabled = settings.layers.length >= choices.most_layers;
}

function showSliders() {
  $("count-shown").textContent = $("count").value;
  $("noise-shown").textContent = Number($("noise").value).toFixed(2);
}

// Take other settings: the page shows them at once, the server gets them after a moment.
function change(changed) {
  settings = { ...settings, ...changed };
  refused = "";
  showError("");
  showSettings();
  if (changed.layers) buildRows();
  backward.end();
  $("program").hidden = true;
  $("code-copy").disabled = true;
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    waiting = 0;
    send({ do: "set", generation: ++generation, settings });
  }, WAIT);
}

// A request after changes: these are sent first.
function request(wanted) {
  if (waiting) {
    clearTimeout(waiting);
    waiting = 0;
    send({ do: "set", generation: ++generation, settings });
  }
  if (refused) showError(refused);
  else send(wanted);
}

for (const [id, name, read] of [["data", "data", String], ["count", "count", Number], ["noise", "noise", Number], ["optimizer", "optimizer", String],
  ["learning-rate", "learning_rate", Number], ["batch-size", "batch_size", Number], ["dropout", "dropout", Number]]) {
  $(id).addEventListener("change", (event) => change({ [name]: read(event.target.value) }));
}
for (const id of ["count", "noise"]) $(id).addEventListener("input", showSliders);
["feature-1", "feature-2", "target"].forEach((id, i) => $(id).addEventListener("change", (event) => chooseColumn(i, event.target.value)));
$("seed").addEventListener("change", () => change({ seed: Math.max(0, Math.min(9999, Math.round(Number($("seed").value)))) }));
$("add-layer").addEventListener("click", () => {
  change({ layers: [...settings.layers, settings.layers.at(-1) ?? { units: 8, activation: "tanh" }] });
  say(`Layer ${settings.layers.length} is new.`);
});

$("train").addEventListener("click", () => {
  showError("");
  request(running ? { do: "pause" } : { do: "train", pace: Number($("pace").value) });
});
$("pace").addEventListener("change", () => running && request({ do: "train", pace: Number($("pace").value) }));
$("epoch").addEventListener("click", () => request({ do: "train", epochs: 1, pace: Number($("pace").value) }));
$("reset").addEventListener("click", () => {
  showError("");
  request({ do: "reset" });
  backward.end();
});
$("steps-begin").addEventListener("click", () => request({ do: "backward" }));
$("code-show").addEventListener("click", () => request({ do: "code" }));
$("code-copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("program").textContent);
  say("The program is in the clipboard.");
});

$("file").addEventListener("click", () => ($("file").value = "")); // so that the same file can be chosen again
$("file").addEventListener("change", async () => {
  const chosen = $("file").files[0];
  if (!chosen) return;
  if (chosen.size > choices.most_bytes) {
    showError(`${chosen.name} has ${(chosen.size / 1e6).toFixed(1)} MB, and at most ${choices.most_bytes / 1e6} MB are taken; keep fewer rows or columns`);
    return;
  }
  const where = new URLSearchParams({ session: choices.session, name: chosen.name });
  try {
    const answer = await (await fetch(`upload?${where}`, { method: "POST", body: chosen })).json();
    if (answer.error) showError(answer.error);
    else takeFile(answer);
  } catch {
    showError(`${chosen.name} could not be sent; is the playground still running?`);
  }
});

function takeFile(answer) {
  if (!file) $("data").append(element("option", { value: "upload" }, answer.name));
  file = answer;
  $("data").lastChild.textContent = answer.name;
  $("feature-1").replaceChildren(...options(answer.numbers));
  $("feature-2").replaceChildren(...options(answer.numbers));
  $("target").replaceChildren(...options(answer.columns));
  change({ data: "upload", features: answer.features, target: answer.target });
}

// Take another column as the first or second feature or the target; one that was something else already changes its part with it.
function chooseColumn(part, name) {
  const columns = [...settings.features, settings.target];
  const other = columns.indexOf(name);
  if (other >= 0) columns[other] = columns[part];
  columns[part] = name;
  change({ features: columns.slice(0, 2), target: columns[2] });
}

// What is shown.

function showPoints(message) {
  points = message;
  state = null;
  $("x-name").textContent = message.names[0];
  $("y-name").textContent = message.names[1];
  showLegend();
  buildRows();
}

function showLegend() {
  $("classes").replaceChildren(...points.classes.map((name, i) => {
    const mark = element("span", { class: "mark", "aria-hidden": "true" }, classLetter(i));
    mark.style.color = classColour(i);
    return element("li", {}, mark, ` ${name}`);
  }), element("li", {}, "filled: train, hollow: test"));
}

function buildRows() {
  if (!points) return;
  selected = null;
  const focused = document.activeElement?.id;
  network.build(settings.layers, choices, points.names, points.classes.length ? points.classes.map((name) => `class ${name}`) : ["prediction"]);
  if (focused) $(focused)?.focus();
}

function showState(message) {
  if (!points || message.layers.length !== settings.layers.length + 1) return;
  state = message;
  const { measures, metric } = message;
  $("epochs").textContent = message.epoch;
  $("loss-train").textContent = number(measures.loss);
  $("loss-test").textContent = number(measures.val_loss);
  const shown = (value) => (value === undefined ? "–" : metric === "accuracy" ? `${(100 * value).toFixed(1)} %` : number(value));
  $("metric-train").textContent = shown(measures[metric]);
  $("metric-test").textContent = shown(measures[`val_${metric}`]);
  document.querySelectorAll(".metric").forEach((word) => (word.textContent = metric === "accuracy" ? "Accuracy" : "Error"));
  showRunning(message.running);
  network.show(message, featurePictures());
  paintCurves($("curves"), message.curves);
  showGradients(message.layers);
  showPlane();
}

// What the features are: a slope from left to right, and one from bottom to top.
function featurePictures() {
  const side = 20;
  const slope = (value) => btoa(String.fromCharCode(...Array.from({ length: side * side }, (_, i) => value(i % side, Math.floor(i / side)))));
  return [slope((x) => (255 * x) / (side - 1)), slope((_, y) => 255 - (255 * y) / (side - 1))];
}

function showPlane() {
  if (!state) return;
  const unit = selected && (selected.layer < 0 ? featurePictures()[selected.unit] : state.layers[selected.layer].pictures[selected.unit]);
  paintPlane($("boundary"), state, points, unit);
  const chosen = selected && network.units[selected.layer + 1][selected.unit].button.title;
  $("shown-unit").textContent = selected ? `Shown: ${chosen}. Press the unit again for the whole network.` : "Press a unit to see what it sees.";
  const accuracy = state.measures[`val_${state.metric}`];
  const result = accuracy === undefined ? "not trained yet" : `test ${state.metric} ${number(accuracy)}`;
  $("boundary").setAttribute("aria-label", `The plane of ${points.names.join(" and ")} with ${points.train.length + points.test.length} points and ${selected ? `the picture of ${chosen}` : "the prediction"}; ${result}`);
}

function showGradients(layers) {
  const rows = layers.map((layer, i) => {
    const name = i === layers.length - 1 ? "Output" : `Layer ${i + 1}`;
    return element("tr", {}, element("th", { scope: "row" }, name), ...["weights", "biases"].map((kind) => {
      const value = layer.gradients[kind];
      const bar = element("span", { class: value < 1e-6 ? "bar vanishing" : "bar", "aria-hidden": "true" });
      bar.style.width = `${100 * barLength(value)}%`;
      return element("td", {}, element("span", { class: "number" }, number(value)), ...(value === null ? [] : [bar]));
    }));
  });
  $("gradients").tBodies[0].replaceChildren(...rows);
}

function showRunning(isRunning) {
  if (isRunning !== running) {
    say(isRunning ? "Training." : state && state.epoch ? `Paused at epoch ${$("epochs").textContent}; test ${$("metric-test").textContent}.` : "");
  }
  running = isRunning;
  $("train").textContent = isRunning ? "Pause" : "Train";
}

function showCode(code) {
  $("program").textContent = code;
  $("program").hidden = false;
  $("code-copy").disabled = false;
}

function say(words) {
  $("status").textContent = words;
}

function showError(words) {
  $("error").textContent = words;
  $("error").hidden = !words;
}

onTheme(() => {
  if (!state) return;
  showLegend();
  network.show(state, featurePictures());
  showPlane();
});
new ResizeObserver(showPlane).observe($("plane"));
