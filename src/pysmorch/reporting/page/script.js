"use strict";
// What a point or a bar says is shown at once, beside the pointer; without this script browsers show it after a while.
const tip = document.getElementById("tip");
for (const mark of document.querySelectorAll(".tip")) {
  const title = mark.querySelector("title");
  if (title) { mark.dataset.tip = title.textContent; title.remove(); }
}
document.addEventListener("pointermove", (event) => {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const { clientWidth, clientHeight } = document.documentElement;
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, clientWidth - tip.offsetWidth - 4)) + "px";
  const below = event.clientY + 18;
  tip.style.top = (below + tip.offsetHeight > clientHeight ? event.clientY - tip.offsetHeight - 10 : below) + "px";
});
// The head of a table sorts it: numbers by value, other cells by their letters.
const value = (row, column) => row.cells[column].textContent.trim().replace(/−/g, "-").replace(/[,%★ ]/g, "");
const order = new Intl.Collator(undefined, { numeric: true });
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        const numbers = [x, y].every((one) => one !== "" && !isNaN(one));
        return (numbers ? x - y : order.compare(x, y)) * (down ? -1 : 1);
      });
      body.append(...rows);
    });
  });
}
