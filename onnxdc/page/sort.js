"use strict";
// Each header of a table of class "sortable" is a button; cells say in data-key what they are sorted by.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => header.querySelector("button")?.addEventListener("click", () => {
    const first = header.dataset.first ?? "descending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = header.ariaSort === first ? other : first;
    for (const each of headers) each.removeAttribute("aria-sort");
    header.ariaSort = order;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [row.cells[column].dataset.key ?? "", row]);
    rows.sort(([a], [b]) => (a === "") - (b === "") || sign * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }));
}
