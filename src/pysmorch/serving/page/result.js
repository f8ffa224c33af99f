// What is predicted, how sure that is, and why.

import { element } from "./form.js";

const $ = (id) => document.getElementById(id);
const MOST_CLASSES = 10;
const MOST_REASONS = 12;

export function number(value, digits = 5) {
  if (typeof value !== "number") return value === null ? "–" : String(value);
  const far = Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4);
  return (far ? value.toExponential(digits - 2) : String(Number(value.toPrecision(digits)))).replaceAll("-", "−");
}

const rangeOf = ([lower, upper]) => `${number(lower)} to ${number(upper)}`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

export function clearResult() {
  $("value").textContent = "–";
  for (const id of ["interval", "classes", "reasons"]) $(id).hidden = true;
}

// Shows a prediction, and returns it in short.
export function showResult(model, predicted) {
  const words = valueOf(model, predicted);
  $("value").textContent = words;
  const interval = predicted.interval ? intervalOf(model, predicted) : setOf(model, predicted);
  $("interval").textContent = interval;
  $("interval").hidden = !interval;
  showClasses(predicted);
  showReasons(predicted.explanation);
  const sure = predicted.probabilities && !Array.isArray(predicted.prediction) ? `, ${percent(predicted.probabilities[String(predicted.prediction)] ?? NaN)}` : "";
  return `${model.target ?? "Prediction"}: ${words}${sure}${predicted.interval && !Array.isArray(predicted.interval[0]) ? `, ${rangeOf(predicted.interval)}` : ""}`.replace(", NaN %", "");
}

function valueOf(model, predicted) {
  if (!Array.isArray(predicted.prediction)) return number(predicted.prediction);
  const named = predicted.prediction.map((value, index) => `${model.outputs[index]}: ${number(value)}`);
  return named.join(", ");
}

function intervalOf(model, predicted) {
  const all = Array.isArray(predicted.interval[0]) ? predicted.interval : [predicted.interval];
  return `With ${percent(model.coverage)}: ${all.map(rangeOf).join("; ")}`;
}

function setOf(model, predicted) {
  return predicted.set ? `With ${percent(model.coverage)} it is one of: ${predicted.set.join(", ")}` : "";
}

function showClasses(predicted) {
  const pairs = Object.entries(predicted.probabilities ?? {}).sort((a, b) => b[1] - a[1]);
  $("classes").hidden = pairs.length === 0;
  $("classes").replaceChildren(...pairs.slice(0, MOST_CLASSES).map(([name, share]) => {
    const bar = element("span", {});
    bar.style.width = percent(share).replace(" ", "");
    const chosen = name === String(predicted.prediction) ? "name chosen" : "name";
    return element("li", {}, element("span", { class: chosen }, name), element("span", { class: "track", "aria-hidden": "true" }, bar), element("span", { class: "number" }, percent(share)));
  }));
}

function showReasons(found) {
  $("reasons").hidden = !found;
  if (!found) return;
  const of = found.of === found.unit ? "" : ` ${found.of}`;
  $("reasons-note").textContent = `The ${found.unit}${of} is ${number(found.value)}; of the mean row of the training it is ${number(found.baseline)}. The difference is the sum of the contributions.${found.pixels ? " Blue pixels speak for it, orange ones against it." : ""}`;
  $("contributions").hidden = !found.contributions;
  $("heat").hidden = !found.pixels;
  if (found.pixels) paint($("heat"), found.pixels);
  else showContributions(found.contributions);
}

function showContributions(all) {
  const largest = Math.max(...all.map((one) => Math.abs(one.contribution)), 1e-300);
  const rows = all.slice(0, MOST_REASONS).map(({ column, value, contribution }) => {
    const bar = element("span", { class: contribution < 0 ? "down" : "up" });
    bar.style.width = `${(50 * Math.abs(contribution)) / largest}%`;
    const sign = contribution > 0 ? "+" : "";
    return element("tr", {}, element("th", { scope: "row" }, column), element("td", {}, value === null ? "missing" : number(value)),
      element("td", { class: "number" }, sign + number(contribution, 3)), element("td", { "aria-hidden": "true" }, element("span", { class: "sides" }, bar)));
  });
  $("contributions").tBodies[0].replaceChildren(...rows);
}

// Pixels that speak for it are blue, those against it orange.
function paint(canvas, pixels) {
  const [height, width] = [pixels.length, pixels[0].length];
  canvas.height = height;
  canvas.width = width;
  const largest = Math.max(...pixels.flat().map(Math.abs), 1e-300);
  const image = new ImageData(width, height);
  pixels.flat().forEach((value, index) => {
    const colour = value > 0 ? [31, 111, 178] : [210, 105, 30];
    image.data.set([...colour, Math.round(255 * Math.sqrt(Math.abs(value) / largest))], 4 * index);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
