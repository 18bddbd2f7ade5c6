"use strict";
const report = {}; // shared by the parts of this page's script
function element(tag, fields = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...inside);
  return made;
}

// Sorting: a click on a head sorts the variants (not the reference rows); missing values stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button.sort");
    if (!button) return;
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const first = head.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = before === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => row.cells[column].dataset.sort;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const [m, n] = [Number(x), Number(y)];
        return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
      });
      body.append(...rows);
    });
  });
}

// A link to a part that is folded away unfolds it.
function unfold() {
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = wanted?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (wanted) wanted.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
if (location.hash) unfold();

// Light, dark, or the system's choice; stored if the browser allows storage.
const theme = document.getElementById("theme");
theme.value = document.documentElement.dataset.theme || "auto";
theme.addEventListener("change", () => {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem("pix2pix-bench-theme", theme.value);
  } catch { /* a page from disk may have no storage */ }
});

// Downloads are compressed; if the browser can unpack them, the original files are saved.
for (const link of document.querySelectorAll("a.download")) {
  if (!("DecompressionStream" in window)) break;
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const packed = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const url = URL.createObjectURL(await new Response(stream).blob());
    const saved = Object.assign(document.createElement("a"), { href: url, download: link.download.replace(/\.gz$/, "") });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
}
