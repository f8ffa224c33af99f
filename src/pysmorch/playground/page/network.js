// The rows of the network: one for the features, one for each hidden layer, one for the output.

import { number, paintUnit, shape } from "./pictures.js";

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export class NetworkView {
  // `change(layers, focus, words)` is called with other layers, what gets the focus, and what is said, `select(layer, unit)` with the unit that is to be shown in full.
  constructor(list, wires, change, select) {
    this.list = list;
    this.wires = wires;
    this.change = change;
    this.select = select;
    this.selected = null;
    this.state = null;
    new ResizeObserver(() => this.drawWires()).observe(list);
  }

  // Make the rows anew: for other layers, features or classes.
  build(layers, choices, features, outputs) {
    this.layers = layers;
    this.units = [];
    this.selected = null;
    this.state = null;
    this.wires.replaceChildren();
    this.list.replaceChildren(
      this.row("Features", features.map((name, i) => ({ name, layer: -1, unit: i })), []),
      ...layers.map((layer, i) => this.hiddenRow(layer, i, choices)),
      this.row("Output", outputs.map((name, i) => ({ name, layer: layers.length, unit: i })), []),
    );
  }

  row(title, units, controls) {
    const tiles = element("ul", { class: "units", "aria-label": `${title}: units` }, ...units.map((unit) => this.tile(unit)));
    return element("li", {}, element("div", { class: "layer-head", role: "group", "aria-label": title }, element("b", {}, title), ...controls), tiles);
  }

  hiddenRow(layer, index, choices) {
    const title = `Layer ${index + 1}`;
    const key = (name) => `${name}-${index}`;
    const other = (changed, focus) => {
      const layers = this.layers.map((one, i) => (i === index ? { ...one, ...changed } : one));
      const { units, activation } = layers[index];
      this.change(layers, key(focus), `${title} has ${units} unit${units === 1 ? "" : "s"}, ${choices.activations[activation]}.`);
    };
    const controls = [
      element("button", { type: "button", id: key("fewer"), "aria-label": `${title}: a unit less`, disabled: layer.units <= 1, onclick: () => other({ units: layer.units - 1 }, "fewer") }, "−"),
      element("span", { class: "count" }, `${layer.units} unit${layer.units === 1 ? "" : "s"}`),
      element("button", { type: "button", id: key("more"), "aria-label": `${title}: a unit more`, disabled: layer.units >= choices.most_units, onclick: () => other({ units: layer.units + 1 }, "more") }, "+"),
      element("select", { id: key("activation"), "aria-label": `${title}: activation`, onchange: (event) => other({ activation: event.target.value }, "activation") },
        ...Object.entries(choices.activations).map(([name, shown]) => element("option", { value: name, selected: name === layer.activation }, shown))),
      element("button", { type: "button", id: key("remove"), "aria-label": `Remove layer ${index + 1}`, title: `Remove layer ${index + 1}`,
        onclick: () => this.change(this.layers.filter((_, i) => i !== index), "add-layer", `Layer ${index + 1} is removed.`) }, "✕"),
    ];
    const units = Array.from({ length: layer.units }, (_, i) => ({ name: `unit ${i + 1}`, layer: index, unit: i }));
    return this.row(title, units, controls);
  }

  tile({ name, layer, unit }) {
    const canvas = element("canvas", { width: 20, height: 20, "aria-hidden": "true" });
    const button = element("button", { type: "button", class: "unit", "aria-pressed": "false", onclick: () => this.press(layer, unit) }, canvas);
    (this.units[layer + 1] ??= []).push({ name, button, canvas });
    return element("li", {}, button);
  }

  press(layer, unit) {
    const same = this.selected && this.selected.layer === layer && this.selected.unit === unit;
    this.selected = same ? null : { layer, unit };
    this.units.forEach((row, i) => row.forEach(({ button }, j) => {
      button.setAttribute("aria-pressed", String(!same && i - 1 === layer && j === unit));
    }));
    this.drawWires();
    this.select(this.selected);
  }

  // Show a state of this very network.
  show(state, features) {
    this.state = state;
    this.units.forEach((row, i) => row.forEach(({ name, button, canvas }, j) => {
      if (i === 0) {
        paintUnit(canvas, features[j]);
        this.describe(button, name);
        return;
      }
      const layer = state.layers[i - 1];
      paintUnit(canvas, layer.pictures[j]);
      const isDead = layer.dead[j];
      button.classList.toggle("dead", isDead);
      this.describe(button, `${name}, bias ${number(layer.biases[j])}${isDead ? ", dead" : ""}`);
    }));
    this.drawWires();
  }

  describe(button, words) {
    if (button.title !== words) {
      button.title = words;
      button.setAttribute("aria-label", words);
    }
  }

  // Lines between the units, as thick as their weights; of a selected unit only its own.
  drawWires() {
    if (!this.state) return;
    const frame = this.wires.getBoundingClientRect();
    const at = (button, end) => {
      const box = button.getBoundingClientRect();
      return [box.left - frame.left + box.width / 2, (end === "bottom" ? box.bottom : box.top) - frame.top];
    };
    this.wires.replaceChildren();
    this.state.layers.forEach((layer, i) => {
      const sizes = layer.weights.flat().map(Math.abs);
      const largest = Math.max(1e-9, ...sizes);
      layer.weights.forEach((row, from) => row.forEach((weight, to) => {
        const isOwn = !this.selected || (this.selected.layer === i && this.selected.unit === to) || (this.selected.layer === i - 1 && this.selected.unit === from);
        const share = Math.abs(weight) / largest;
        if (!isOwn || share < 0.03) return;
        const [x, y] = at(this.units[i][from].button, "bottom");
        const [u, v] = at(this.units[i + 1][to].button, "top");
        const middle = (y + v) / 2;
        shape(this.wires, "path", {
          d: `M${x.toFixed(1)} ${y.toFixed(1)}C${x.toFixed(1)} ${middle.toFixed(1)} ${u.toFixed(1)} ${middle.toFixed(1)} ${u.toFixed(1)} ${v.toFixed(1)}`,
          fill: "none", "stroke-width": (0.4 + 3 * share).toFixed(2), "stroke-opacity": (0.25 + 0.6 * share).toFixed(2),
          stroke: `var(--${weight < 0 ? "negative" : "positive"})`,
        });
      }));
    });
  }
}
