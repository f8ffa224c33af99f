// Pictures: the plane, units, curves and bars.

const CLASSES = {
  light: ["#1f6fb2", "#e07b1a", "#2c8a5a", "#8a4fb5", "#c23b5c", "#0f8a96", "#7d5a2c", "#5f6b78"],
  dark: ["#5aa9e6", "#f0964a", "#5cc08d", "#bb8ae0", "#ee7a97", "#4cc2cd", "#c49b66", "#a3afbb"],
};
const SHAPES = ["circle", "square", "triangle", "diamond"];
const LETTERS = { circle: "●", square: "■", triangle: "▲", diamond: "◆" };
const SVG = "http://www.w3.org/2000/svg";
const darkness = matchMedia("(prefers-color-scheme: dark)");

export function onTheme(redraw) {
  darkness.addEventListener("change", redraw);
}

export function classColour(index) {
  return CLASSES[darkness.matches ? "dark" : "light"][index % 8];
}

function classShape(index) {
  return SHAPES[index % SHAPES.length];
}

export function classLetter(index) {
  return LETTERS[classShape(index)];
}

export function unpacked(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function colour(name) {
  return rgb(getComputedStyle(document.documentElement).getPropertyValue(name).trim());
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// A byte is a number from -1 to 1: from the negative colour over the neutral one to the positive one.
function diverging(values) {
  const [negative, neutral, positive] = [colour("--negative"), colour("--neutral"), colour("--positive")];
  const side = Math.round(Math.sqrt(values.length));
  const image = new ImageData(side, side);
  values.forEach((value, i) => {
    const share = Math.min(1, Math.abs(value - 127.5) / 127.5);
    const end = value < 127.5 ? negative : positive;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = neutral[c] + share * (end[c] - neutral[c]);
    image.data[4 * i + 3] = 255;
  });
  return image;
}

function ofClasses(classes, sure) {
  const neutral = colour("--neutral");
  const colours = CLASSES[darkness.matches ? "dark" : "light"].map(rgb);
  const side = Math.round(Math.sqrt(classes.length));
  const image = new ImageData(side, side);
  classes.forEach((index, i) => {
    const share = 0.12 + 0.5 * (sure[i] / 255);
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = neutral[c] + share * (colours[index % 8][c] - neutral[c]);
    image.data[4 * i + 3] = 255;
  });
  return image;
}

export function paintUnit(canvas, packed) {
  const image = diverging(unpacked(packed));
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The plane: what is predicted, or what one unit sees, with the points over it.
export function paintPlane(canvas, state, points, unit) {
  const side = Math.max(120, Math.round(canvas.clientWidth * Math.min(2, devicePixelRatio || 1)));
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const { classes, sure, values } = state.boundary;
  const image = unit ? diverging(unpacked(unit)) : classes ? ofClasses(unpacked(classes), unpacked(sure)) : diverging(unpacked(values));
  const small = document.createElement("canvas");
  small.width = image.width;
  small.height = image.height;
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, side, side);
  const [left, right, bottom, top] = state.domain;
  const size = Math.max(2.5, side / 110);
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--card");
  for (const [rows, isTest] of [[points.train, false], [points.test, true]]) {
    for (const [x, y, label] of rows) {
      const at = [((x - left) / (right - left)) * side, ((top - y) / (top - bottom)) * side];
      const fill = points.classes.length ? classColour(label) : shade(label);
      marker(context, at, size, points.classes.length ? classShape(label) : "circle", fill, isTest, ink);
    }
  }
}

function shade(value) {
  const share = Math.max(-1, Math.min(1, value / 2));
  const [end, neutral] = [colour(share < 0 ? "--negative" : "--positive"), colour("--neutral")];
  return `rgb(${end.map((e, c) => Math.round(neutral[c] + Math.abs(share) * (e - neutral[c]))).join(" ")})`;
}

function marker(context, [x, y], r, shape, fill, isTest, ink) {
  context.beginPath();
  if (shape === "circle") context.arc(x, y, r, 0, 2 * Math.PI);
  if (shape === "square") context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  if (shape === "triangle" || shape === "diamond") {
    const corners = shape === "triangle" ? [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.25], [1.1, 0], [0, 1.25], [-1.1, 0]];
    corners.forEach(([a, b], i) => (i ? context.lineTo(x + a * r, y + b * r) : context.moveTo(x + a * r, y + b * r)));
    context.closePath();
  }
  context.lineWidth = isTest ? r * 0.7 : r * 0.35;
  context.fillStyle = isTest ? ink : fill;
  context.strokeStyle = isTest ? fill : ink;
  context.fill();
  context.stroke();
}

// Curves of the loss, from 0 to the largest value.
export function paintCurves(svg, curves) {
  const [left, right, top, bottom] = [34, 312, 8, 128];
  svg.replaceChildren();
  const axis = shape(svg, "path", { d: `M${left} ${top}V${bottom}H${right}`, class: "axis" });
  axis.setAttribute("vector-effect", "non-scaling-stroke");
  const epochs = curves.epoch;
  const last = epochs.length ? epochs[epochs.length - 1] : 1;
  const highest = Math.max(1e-6, ...curves.loss, ...curves.val_loss);
  const x = (epoch) => left + ((right - left) * (epoch - 1)) / Math.max(1, last - 1);
  const y = (value) => bottom - ((bottom - top) * value) / highest;
  write(svg, left - 4, top + 4, number(epochs.length ? highest : 1), "end");
  write(svg, left - 4, bottom + 3, "0", "end");
  write(svg, left, bottom + 13, epochs.length ? "1" : "", "middle");
  write(svg, right, bottom + 13, epochs.length ? `epoch ${last}` : "", "end");
  for (const [name, kind] of [["loss", "of-train"], ["val_loss", "of-test"]]) {
    const d = curves[name].map((value, i) => `${i ? "L" : "M"}${x(epochs[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    if (d) shape(svg, "path", { d, class: kind });
  }
  const ends = epochs.length ? `: train ${number(curves.loss.at(-1))}, test ${number(curves.val_loss.at(-1))} at epoch ${last}` : ", no epoch yet";
  svg.setAttribute("aria-label", `Loss by epoch${ends}`);
  const legend = [["train", left + 150, "of-train"], ["test", left + 210, "of-test"]];
  for (const [word, at, kind] of legend) {
    shape(svg, "path", { d: `M${at} ${top + 1}h18`, class: kind });
    write(svg, at + 22, top + 4, word, "start");
  }
}

export function shape(parent, tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function write(svg, x, y, words, anchor) {
  shape(svg, "text", { x, y, "text-anchor": anchor }).textContent = words;
}

export function number(value) {
  if (value === undefined || value === null) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1).replace("e-", "e−") : String(Number(value.toPrecision(3))).replace("-", "−");
}

// How long a bar is: from 1e-8 to 1 on a logarithmic scale.
export function barLength(value) {
  return value > 0 ? Math.max(0.02, Math.min(1, (Math.log10(value) + 8) / 8)) : 0;
}
