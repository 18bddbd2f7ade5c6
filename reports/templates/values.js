// Values of single test images: a metric of all variants or all metrics of a variant, filtered and sorted.
for (const place of document.querySelectorAll(".values")) {
  const id = place.id.replace(/-table$/, "");
  const data = JSON.parse(document.getElementById(id + "-data").textContent);
  place.data = data;
  const options = (label, prefix, texts) =>
    element("optgroup", { label }, ...texts.map((text, index) => new Option(text, prefix + index)));
  const metrics = data.columns.map((column) => `${column.title} ${column.arrow}`.trim());
  const view = element("select", { id: id + "-view" },
    options("A metric, all variants", "c", metrics), options("A variant, all metrics", "v", data.labels));
  const filter = element("input", { id: id + "-filter", type: "search", placeholder: "all", size: 12 });
  const minuend = element("select", { id: id + "-minuend" }, new Option("–", ""), ...data.labels.map((l, i) => new Option(l, i)));
  const subtrahend = element("select", { id: id + "-subtrahend" }, new Option("–", ""), ...data.labels.map((l, i) => new Option(l, i)));
  const gap = element("span", { className: "gap" }, element("label", {}, "Difference ", minuend), element("label", {}, " minus ", subtrahend));
  const said = element("p", { id: id + "-count", className: "small muted" });
  said.setAttribute("aria-live", "polite");
  const table = element("table", { id: id + "-cells", className: "plain" });
  const box = element("div", { className: "box", tabIndex: 0 }, table);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Values by image: " + place.dataset.title);
  const more = element("button", { type: "button", id: id + "-more", hidden: true });
  place.append(
    element("div", { className: "controls" }, element("label", {}, "Show ", view), element("label", {}, "Name contains ", filter), gap),
    said, box, more);
  const state = { shown: 0, sort: 0, down: false };

  // Heads and, for each, the values in the order of the names.
  function columns() {
    const index = Number(view.value.slice(1));
    if (view.value[0] === "v")
      return data.columns.map((c, i) => ({ title: metrics[i], digits: c.digits, values: c.values[index] }));
    const chosen = data.columns[index];
    const listed = data.labels.map((title, i) => ({ title, digits: chosen.digits, values: chosen.values[i] }));
    if (minuend.value !== "" && subtrahend.value !== "") {
      const [a, b] = [minuend, subtrahend].map((select) => chosen.values[Number(select.value)]);
      listed.push({
        title: `${data.labels[minuend.value]} − ${data.labels[subtrahend.value]}`, digits: chosen.digits,
        values: a.map((value, i) => (value === null || b[i] === null ? null : value - b[i])),
      });
    }
    return listed;
  }

  function render(shown = 25) {
    gap.hidden = view.value[0] === "v";
    const listed = columns(), wanted = filter.value.trim().toLowerCase();
    if (state.sort > listed.length) Object.assign(state, { sort: 0, down: false });
    const order = data.names.map((_, i) => i).filter((i) => data.names[i].toLowerCase().includes(wanted));
    const key = state.sort === 0 ? null : listed[state.sort - 1].values, sign = state.down ? -1 : 1;
    order.sort((i, j) => {
      if (key === null) return sign * (i - j);
      if (key[i] === null || key[j] === null) return (key[i] === null) - (key[j] === null);
      return sign * (key[i] - key[j]) || i - j;
    });
    state.shown = Math.min(shown, order.length);
    said.textContent = `${order.length} of ${data.names.length} images` + (state.shown < order.length ? `, the first ${state.shown} shown.` : ".");
    const left = order.length - state.shown;
    more.hidden = left === 0;
    more.textContent = left > 100 ? `Show 100 more of ${left}` : `Show the last ${left}`;
    const head = element("tr", {}, ...["Image", ...listed.map((one) => one.title)].map((title, column) => {
      const button = element("button", { type: "button", className: "sort", textContent: title });
      const cell = element("th", { scope: "col" }, button);
      if (state.sort === column) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        state.down = state.sort === column ? !state.down : false;
        state.sort = column;
        render();
        table.tHead.rows[0].cells[column].firstChild.focus();
      });
      return cell;
    }));
    table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...order.slice(0, state.shown).map((i) => row(i, listed))));
  }

  function row(i, listed) {
    const name = data.names[i], head = element("th", { scope: "row" });
    if (report.has(place.dataset.section, name)) {
      const button = element("button", { type: "button", className: "link", textContent: name });
      button.setAttribute("aria-label", "Look at test image " + name);
      button.addEventListener("click", () => report.open(place.dataset.section, name));
      head.append(button);
    } else head.textContent = name;
    return element("tr", {}, head, ...listed.map((one) =>
      element("td", { textContent: one.values[i] === null ? "–" : one.values[i].toFixed(one.digits).replace("-", "−") })));
  }

  for (const control of [view, filter, minuend, subtrahend]) control.addEventListener("input", () => render());
  more.addEventListener("click", () => render(state.shown + 100));
  new IntersectionObserver((seen, observer) => { // drawn when it comes near the window
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    render();
  }, { rootMargin: "800px" }).observe(place);
}

// "l1: SSIM 0.512, MAE 20.10." for the viewer; "" without values.
report.values = (section, name, label) => {
  const data = document.getElementById(section + "-values-table")?.data;
  const [i, v] = [data?.names.indexOf(name) ?? -1, data?.labels.indexOf(label) ?? -1];
  if (i < 0 || v < 0) return "";
  const said = data.columns.filter((c) => c.values[v][i] !== null).map((c) => `${c.title} ${c.values[v][i].toFixed(c.digits)}`);
  return said.length ? `${label}: ${said.join(", ")}.` : "";
};
