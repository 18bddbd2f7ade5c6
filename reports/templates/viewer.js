// The viewer: two images of a section compared by slider, side by side or as their difference.
(() => {
  const dialog = document.getElementById("viewer");
  const part = (name) => document.getElementById("viewer-" + name);
  const canvas = part("canvas"), pen = canvas.getContext("2d");
  const album = new Map(); // section id -> Map(name -> Map(key -> {words, src, label}))
  const state = { section: "", name: "", zoom: 1, x: 0.5, y: 0.5, first: null, second: null, gaps: null, loads: 0 };

  const words = (image) => ({
    source: "source", target: "target", labels: "true labels",
    output: image.dataset.label, seen: image.dataset.label + ", as the judge sees it",
  })[image.dataset.kind];

  for (const image of document.querySelectorAll("section img[data-name]")) {
    const section = image.closest("section").dataset.section;
    if (!album.has(section)) album.set(section, new Map());
    const names = album.get(section), name = image.dataset.name;
    if (!names.has(name)) names.set(name, new Map());
    const key = image.dataset.kind + "\n" + image.dataset.label;
    if (!names.get(name).has(key))
      names.get(name).set(key, { words: words(image), src: image.src, label: image.dataset.label });
    image.addEventListener("click", () => open(section, name, key));
  }
  for (const place of document.querySelectorAll(".image-name")) {
    const section = place.closest("section").dataset.section, name = place.textContent;
    if (!album.get(section)?.has(name)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = name;
    button.setAttribute("aria-label", "Look at test image " + name);
    button.addEventListener("click", () => open(section, name));
    place.replaceChildren(button);
  }

  function open(section, name, key) {
    state.section = section;
    state.zoom = 1; state.x = state.y = 0.5;
    if (!dialog.open) dialog.showModal();
    show(name, key);
  }

  // The choices on the left and right are kept from image to image if possible.
  function show(name, key) {
    state.name = name;
    const held = album.get(state.section).get(name), keys = [...held.keys()];
    const outputs = keys.filter((one) => one.startsWith("output\n"));
    const old = part("first").value, before = part("second").value;
    const opposite = { "target\n": outputs[0], "source\n": outputs[0] }[key];
    const partner = key?.startsWith("seen\n") && held.has("labels\n") ? "labels\n" : "target\n";
    choose("first", held, key, held.has(old) ? old : outputs[0]);
    choose("second", held, key ? opposite ?? partner : held.has(before) ? before : "target\n", keys[keys.length - 1]);
    part("title").textContent = "Image " + name;
    const names = [...album.get(state.section).keys()];
    part("place").textContent = `${names.indexOf(name) + 1} of ${names.length}`;
    load();
  }

  function choose(side, held, wanted, otherwise) {
    const select = part(side);
    select.replaceChildren(...[...held].map(([key, one]) => new Option(one.words, key)));
    select.value = held.has(wanted) ? wanted : otherwise ?? [...held.keys()][0];
  }

  async function load() {
    const held = album.get(state.section).get(state.name), turn = ++state.loads;
    const chosen = [held.get(part("first").value), held.get(part("second").value)];
    const images = chosen.map((one) => Object.assign(new Image(), { src: one.src }));
    await Promise.all(images.map((image) => image.decode()));
    if (turn !== state.loads) return; // another load has started
    [state.first, state.second] = images;
    state.gaps = difference(...images);
    draw();
  }

  // Absolute difference of the images in the page, and its mean in grey levels.
  function difference(first, second) {
    const [width, height] = [first.naturalWidth, first.naturalHeight];
    const [a, b] = [first, second].map((image) => {
      const sheet = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true });
      sheet.drawImage(image, 0, 0, width, height);
      return sheet;
    });
    const [one, two] = [a, b].map((sheet) => sheet.getImageData(0, 0, width, height));
    let sum = 0;
    const gain = Number(part("gain").value);
    for (let i = 0; i < one.data.length; i++) {
      if (i % 4 === 3) continue;
      const gap = Math.abs(one.data[i] - two.data[i]);
      sum += gap;
      one.data[i] = gap * gain;
    }
    a.putImageData(one, 0, 0);
    return { canvas: a.canvas, mean: sum / (width * height * 3) };
  }

  function draw() {
    if (!state.first) return;
    const ratio = window.devicePixelRatio || 1, box = canvas.parentElement.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(box.width * ratio));
    canvas.height = Math.max(1, Math.round(box.height * ratio));
    pen.imageSmoothingEnabled = false;
    const mode = part("mode").value, panes = mode === "side" ? 2 : 1, wide = canvas.width / panes;
    const { naturalWidth: w, naturalHeight: h } = state.first;
    state.scale = Math.min(wide / w, canvas.height / h) * state.zoom;
    const left = wide / 2 - state.x * w * state.scale, top = canvas.height / 2 - state.y * h * state.scale;
    const paint = (image, from, to, shift = 0) => {
      pen.save();
      pen.beginPath();
      pen.rect(from, 0, to - from, canvas.height);
      pen.clip();
      pen.drawImage(image, left + shift, top, w * state.scale, h * state.scale);
      pen.restore();
    };
    if (mode === "difference") paint(state.gaps.canvas, 0, wide);
    else if (mode === "side") {
      paint(state.first, 0, wide - 2 * ratio);
      paint(state.second, wide + 2 * ratio, canvas.width, wide);
    } else {
      state.divider = left + (Number(part("position").value) / 100) * w * state.scale;
      paint(state.first, 0, state.divider);
      paint(state.second, state.divider, canvas.width);
      pen.fillStyle = "#fff";
      pen.fillRect(state.divider - ratio, 0, 2 * ratio, canvas.height);
      pen.fillStyle = "#000";
      pen.fillRect(state.divider + ratio, 0, ratio, canvas.height);
    }
    say(mode);
  }

  function say(mode) {
    const [first, second] = ["first", "second"].map((side) => part(side).selectedOptions[0].textContent);
    const said = {
      slider: `${first} left of the line, ${second} right of it.`,
      side: `${first} on the left, ${second} on the right.`,
      difference: `Absolute difference of ${first} and ${second}: ${state.gaps.mean.toFixed(1)} grey levels on average, of the images as compressed in this page.`,
    }[mode];
    const values = [...new Set(["first", "second"].map((side) => part(side).value))]
      .filter((key) => key.startsWith("output\n"))
      .map((key) => report.values?.(state.section, state.name, key.slice(7)))
      .filter(Boolean);
    part("said").textContent = [said, ...values].join(" ");
    canvas.setAttribute("aria-label", `Test image ${state.name}: ${said}`);
    const pixels = state.scale / (window.devicePixelRatio || 1);
    part("zoom").textContent = state.zoom === 1 ? "fit" : `×${pixels < 10 ? pixels.toFixed(1) : Math.round(pixels)}`;
    part("position-label").hidden = mode !== "slider";
    part("gain-label").hidden = mode !== "difference";
  }

  function step(by) {
    const names = [...album.get(state.section).keys()];
    show(names[(names.indexOf(state.name) + by + names.length) % names.length]);
  }

  function zoom(factor, x = canvas.width / 2, y = canvas.height / 2) { // the point at (x, y) stays in place
    const before = state.scale, old = state.zoom;
    const wide = canvas.width / (part("mode").value === "side" ? 2 : 1);
    state.zoom = Math.min(64, Math.max(1, old * factor));
    const gain = 1 / before - old / (before * state.zoom);
    move(((x % wide) - wide / 2) * gain, (y - canvas.height / 2) * gain);
  }

  function move(x, y) { // in pixels of the image
    const inside = (value) => (state.zoom === 1 ? 0.5 : Math.min(1, Math.max(0, value)));
    state.x = inside(state.x + x / state.first.naturalWidth);
    state.y = inside(state.y + y / state.first.naturalHeight);
    draw();
  }

  function slide(x) {
    const w = state.first.naturalWidth * state.scale, left = canvas.width / 2 - state.x * w;
    part("position").value = Math.round(100 * Math.min(1, Math.max(0, (x - left) / w)));
    draw();
  }

  let drag = null;
  const at = (event) => [event.offsetX, event.offsetY].map((value) => value * (window.devicePixelRatio || 1));
  canvas.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event);
    const sliding = part("mode").value === "slider" && (state.zoom === 1 || Math.abs(x - state.divider) < 20);
    drag = { x, y, sliding };
    canvas.setPointerCapture(event.pointerId);
    if (sliding) slide(x);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = at(event);
    if (drag.sliding) return slide(x);
    move((drag.x - x) / state.scale, (drag.y - y) / state.scale);
    Object.assign(drag, { x, y });
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drag = null; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, ...at(event));
  }, { passive: false });

  const fit = () => { state.zoom = 1; state.x = state.y = 0.5; draw(); };
  const swap = () => {
    [part("first").value, part("second").value] = [part("second").value, part("first").value];
    load();
  };
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  part("close").addEventListener("click", () => dialog.close());
  part("zoom-in").addEventListener("click", () => zoom(2));
  part("zoom-out").addEventListener("click", () => zoom(0.5));
  part("fit").addEventListener("click", fit);
  part("swap").addEventListener("click", swap);
  for (const name of ["first", "second", "gain"]) part(name).addEventListener("change", load);
  for (const name of ["mode", "position"]) part(name).addEventListener("input", draw);
  new ResizeObserver(() => dialog.open && draw()).observe(canvas.parentElement);

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key], reach = state.first && state.first.naturalWidth / (8 * state.zoom);
    if (way && event.shiftKey) move(way[0] * reach, way[1] * reach);
    else if (way && event.target.matches("input")) return;
    else if (way && way[0]) step(way[0]);
    else if (event.key === "+" || event.key === "=") zoom(2);
    else if (event.key === "-") zoom(0.5);
    else if (event.key === "0") fit();
    else if (event.key === "x") swap();
    else if (event.key === "d") {
      part("mode").value = part("mode").value === "difference" ? "slider" : "difference";
      draw();
    } else return;
    event.preventDefault();
  });
  report.open = open;
  report.has = (section, name, key) => {
    const held = album.get(section)?.get(name);
    return Boolean(held && (key === undefined || held.has(key)));
  };
})();
