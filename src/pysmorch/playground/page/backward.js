// One backward pass, step by step: the diagram with the layer of the step marked, and its arrays beside it.

import { element } from "./network.js";
import { shape } from "./pictures.js";

export class BackwardView {
  constructor(page) {
    this.page = page;
    this.steps = [];
    page.back.addEventListener("click", () => this.go(this.at - 1));
    page.next.addEventListener("click", () => this.go(this.at + 1));
  }

  begin({ svg, steps }) {
    this.steps = steps;
    const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    this.page.diagram.replaceChildren(document.importNode(picture, true));
    this.lines = new Map();
    for (const line of this.page.diagram.querySelectorAll("[data-layers]")) {
      for (const name of line.getAttribute("data-layers").split(" ")) this.lines.set(name, line);
    }
    this.page.pass.hidden = false;
    this.go(0);
  }

  end() {
    this.steps = [];
    this.page.pass.hidden = true;
    this.page.back.disabled = this.page.next.disabled = true;
  }

  go(index) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, index));
    const step = this.steps[this.at];
    this.page.back.disabled = this.at === 0;
    this.page.next.disabled = this.at === this.steps.length - 1;
    this.mark(step);
    const way = step.pass === "forward" ? "Forward" : "Backward";
    this.page.card.replaceChildren(
      element("p", { class: "note" }, `Step ${this.at + 1} of ${this.steps.length}`),
      element("h3", {}, `${way}: ${step.layer}`),
      element("p", { class: "formula" }, step.formula),
      element("div", { class: "arrays" }, ...step.arrays.map(table)),
    );
  }

  // Lines that the pass has not reached are faint: layers below in the forward pass, above in the backward pass.
  mark(step) {
    const reached = new Set(this.steps.slice(0, this.at + 1).filter((one) => one.pass === step.pass).map((one) => one.layer));
    for (const [name, line] of this.lines) {
      line.classList.toggle("later", !reached.has(name));
      line.classList.toggle("now", name === step.layer);
    }
    this.page.diagram.querySelectorAll(".mark").forEach((mark) => mark.remove());
    const line = this.lines.get(step.layer);
    const [box, whole] = [line.getBBox(), line.ownerSVGElement.viewBox.baseVal];
    shape(line, "rect", { x: 5, y: box.y - 1, width: whole.width - 10, height: box.height + 2, rx: 5, class: "mark" });
    const scrolled = this.page.diagram;
    const above = line.getBoundingClientRect().top - scrolled.getBoundingClientRect().top;
    scrolled.scrollTop += above - scrolled.clientHeight / 2;
    // Beside the diagram the card stands at the height of its layer.
    const beside = scrolled.getBoundingClientRect().right <= this.page.card.getBoundingClientRect().left + 1;
    const down = line.getBoundingClientRect().top - scrolled.getBoundingClientRect().top;
    this.page.card.style.marginTop = beside ? `${Math.max(0, Math.min(down - 24, scrolled.clientHeight - 220))}px` : "0";
  }
}

function table({ name, what, shape: size, rows }) {
  const cell = (entry) => element("td", { class: entry.startsWith("−") ? "negative" : entry === "0" ? "" : "positive" }, entry);
  return element("div", { class: "scroll" },
    element("table", {},
      element("caption", {}, element("b", {}, name), ` (${size}): ${what}`),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell))))));
}
