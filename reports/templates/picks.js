// Best, median and worst image of a variant by a metric that the reader chooses, opened in the viewer.
for (const place of document.querySelectorAll(".values")) {
  const id = place.id.replace(/-table$/, ""), data = place.data;
  const select = (name, texts) => // options by place; null texts are left out
    element("select", { id: `${id}-${name}` }, ...texts.flatMap((text, index) => text === null ? [] : [new Option(text, index)]));
  const variant = select("pick-variant", data.labels);
  const metric = select("pick-metric", data.columns.map((column) => column.ranks ? `${column.title} ${column.arrow}` : null));
  if (!metric.length) continue; // a metric that only describes has no best image
  const said = element("p", { id: id + "-picked", className: "small muted" });
  said.setAttribute("aria-live", "polite");
  const buttons = ["best", "median", "worst"].map((words, rank) => {
    const button = element("button", { type: "button", textContent: words[0].toUpperCase() + words.slice(1) });
    button.addEventListener("click", () => look(rank, words));
    return button;
  });

  function look(rank, words) {
    const column = data.columns[Number(metric.value)], v = Number(variant.value), label = data.labels[v];
    const i = column.ranked[v][rank];
    if (i === undefined) {
      said.textContent = `Fewer than five images of ${label} have a value of ${column.title}.`;
      return;
    }
    const name = data.names[i], key = "output\n" + label;
    const value = column.values[v][i].toFixed(column.digits).replace("-", "−");
    said.textContent = `${label}, ${words} by ${column.title}: image ${name}, ${value}.`;
    if (report.has(place.dataset.section, name, key)) report.open(place.dataset.section, name, key);
    else said.textContent += ` This page does not hold it: bench report OUT --picks ${column.key} adds such images.`;
  }

  place.querySelector(".controls").before(
    element("div", { className: "controls" },
      element("label", {}, "Look at an image of ", variant), element("label", {}, " by ", metric), ...buttons),
    said);
  for (const control of [variant, metric]) control.addEventListener("input", () => { said.textContent = ""; });
}
