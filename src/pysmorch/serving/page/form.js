// The form: a field for each column, numbers one after the other, or a file.

const OTHER = "\u0000other";
const MISSING = "\u0000missing";
const MOST_OPTIONS = 100; // values of a category that are offered in a list; of more, what is typed is completed

export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...content);
  return made;
}

export class Columns {
  constructor(form, columns, changed, asList) {
    this.asList = asList;
    this.fields = columns.map((column, index) => new Field(column, index, changed));
    form.append(...this.fields.map((field) => field.box));
  }

  request() {
    const cells = this.fields.map((field) => [field.column.name, field.cell()]);
    const body = this.asList ? cells.map(([, cell]) => cell) : Object.fromEntries(cells);
    return { body: JSON.stringify(body), type: "application/json" };
  }

  reset() {
    this.fields.forEach((field) => field.reset());
  }

  // Shows what is said of the columns, and returns whether all that is wrong is at a field.
  mark(errors, remarks) {
    for (const field of this.fields) {
      const wrong = errors.find((error) => error.column === field.column.name);
      const remark = remarks.find((one) => one.column === field.column.name);
      field.mark(wrong?.detail ?? "", remark?.remark ?? "");
    }
    const names = new Set(this.fields.map((field) => field.column.name));
    return errors.length > 0 && errors.every((error) => names.has(error.column));
  }
}

class Field {
  constructor(column, index, changed) {
    this.column = column;
    const id = `field-${index}`;
    this.control = this.make(id);
    this.remark = element("p", { class: "remark", id: `${id}-remark`, hidden: true });
    this.wrong = element("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const hint = this.hint();
    this.control.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-remark ${id}-wrong`);
    const label = element("label", { for: id }, column.name);
    this.box = element("div", { class: column.holds === "text" ? "field wide" : "field" }, label, this.control);
    if (this.other) this.box.append(this.other);
    if (hint) this.box.append(element("p", { class: "hint", id: `${id}-hint` }, hint));
    this.box.append(this.remark, this.wrong);
    this.reset();
    this.control.addEventListener("input", () => {
      this.showOther(true);
      changed();
    });
    this.other?.addEventListener("input", changed);
  }

  make(id) {
    const { holds, values = [], num_values: count = 0, typical } = this.column;
    if (holds === "boolean") return this.list(id, [["true", "yes"], ["false", "no"]]);
    if (holds.endsWith("category") && count <= MOST_OPTIONS) {
      this.other = element("input", { type: "text", "aria-label": `${this.column.name}: another value`, hidden: true });
      return this.list(id, [...values.map((value) => [value, value]), [OTHER, "another value …"]]);
    }
    if (holds.endsWith("category")) {
      this.completed = element("datalist", { id: `${id}-values` }, ...values.map((value) => element("option", { value })));
      document.body.append(this.completed);
      return element("input", { id, type: "text", list: `${id}-values` });
    }
    if (holds === "text") return element("textarea", { id, rows: 3 });
    if (holds === "number" || holds === "integer") return element("input", { id, type: "number", step: holds === "integer" ? 1 : "any", inputmode: "decimal" });
    if (holds === "time" && this.column.written === "year-month-day") {
      return element("input", { id, type: typical.length > 10 ? "datetime-local" : "date", step: typical.length > 10 ? 1 : undefined });
    }
    return element("input", { id, type: "text", spellcheck: "false" });
  }

  list(id, pairs) {
    const missing = new Option("– missing –", MISSING);
    const chosen = element("select", { id });
    chosen.append(...pairs.map(([value, words]) => new Option(words, value)), missing);
    return chosen;
  }

  hint() {
    const { holds, minimum, maximum, written, num_values: count, required } = this.column;
    const words = [];
    if (minimum !== undefined) words.push(`${String(minimum).replace("T00:00:00", "")} to ${String(maximum).replace("T00:00:00", "")} in training`);
    if (holds === "time" && written !== "year-month-day") words.push(`written ${written}`);
    if (holds === "duration" || holds === "time of day") words.push(`a ${holds}, such as ${this.column.typical}`);
    if (count > MOST_OPTIONS) words.push(`${count} known values; others are taken, too`);
    if (!required) words.push("may be missing");
    return words.join("; ");
  }

  reset() {
    const { typical } = this.column;
    this.control.value = String(typical);
    if (this.control.tagName === "SELECT" && this.control.selectedIndex < 0) this.control.value = MISSING;
    this.showOther(false);
  }

  showOther(withFocus) {
    if (!this.other) return;
    this.other.hidden = this.control.value !== OTHER;
    if (!this.other.hidden && withFocus) this.other.focus();
  }

  cell() {
    const { holds } = this.column;
    const text = this.control.value === OTHER ? this.other.value : this.control.value;
    if (text === MISSING || text.trim() === "") return null;
    if (holds === "boolean") return text === "true";
    const number = Number(text);
    if (holds === "number" || holds === "integer") return number;
    return holds === "unknown" && Number.isFinite(number) ? number : text;
  }

  mark(wrong, remark) {
    this.control.setAttribute("aria-invalid", wrong ? "true" : "false");
    for (const [box, words] of [[this.wrong, wrong], [this.remark, remark]]) {
      if (box.textContent !== words) box.textContent = words;
      box.hidden = !words;
    }
  }
}

export class Numbers {
  constructor(form, columns, changed) {
    this.columns = columns;
    this.control = element("textarea", { id: "numbers", rows: 8, spellcheck: "false", "aria-describedby": "numbers-hint" });
    const label = element("label", { for: "numbers" }, "Numbers");
    const hint = element("p", { class: "hint", id: "numbers-hint" }, `${columns.length} numbers, separated by commas or blanks`);
    form.append(element("div", { class: "field wide" }, label, this.control, hint));
    this.control.addEventListener("input", changed);
    this.reset();
  }

  request() {
    const row = this.control.value.split(/[\s,;]+/).filter(Boolean).map((text) => (Number.isFinite(Number(text)) ? Number(text) : text));
    return { body: JSON.stringify([row]), type: "application/json" };
  }

  reset() {
    this.control.value = this.columns.map((column) => column.typical).join(", ");
  }

  mark(errors) {
    this.control.setAttribute("aria-invalid", errors.length ? "true" : "false");
    return false;
  }
}

export class ImageFile {
  constructor(form, image, chosen, refuse) {
    this.file = null;
    this.chosen = chosen;
    this.refuse = refuse;
    this.picture = element("img", { alt: "The chosen image", hidden: true });
    this.input = element("input", { id: "image", type: "file", accept: "image/*", "aria-describedby": "image-hint" });
    const label = element("label", { for: "image" }, "Choose an image, or drop one here");
    const hint = element("p", { class: "hint", id: "image-hint" }, `It is brought to ${image.height} × ${image.width} pixels${image.channels === 1 ? ", in grey" : ""}.`);
    const drop = element("div", { id: "drop", class: "wide" }, label, this.input, hint, this.picture);
    form.append(drop);
    this.input.addEventListener("change", () => this.take(this.input.files[0]));
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragover");
        if (name === "drop") this.take(event.dataTransfer.files[0]);
      });
    }
  }

  take(file) {
    if (!file) return;
    if (!file.type.startsWith("image/")) {
      this.refuse(`${file.name} is no image.`);
      return;
    }
    this.file = file;
    URL.revokeObjectURL(this.picture.src);
    this.picture.src = URL.createObjectURL(file);
    this.picture.hidden = false;
    this.chosen();
  }

  request() {
    return this.file && { body: this.file, type: this.file.type };
  }

  mark() {
    return false;
  }
}
