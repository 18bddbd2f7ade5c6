"use strict";
// Shows the trials of one rater, keeps the answers, and hands them back as a file. Everything is planned in the
// study; nothing is drawn by lot here.
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const crowd = document.getElementById("answers"); // on a crowd-work platform: the field that is sent
  const view = document.getElementById("view");
  const announce = document.getElementById("announce");
  const timed = study.show_ms !== null;
  let state = null;
  let press = () => {}; // what a key does now: "left", "right" or "go"

  const keyOf = (rater) => `pix2pix-bench-people-${study.page}-${rater}`;
  const stored = (rater) => {
    try {
      return JSON.parse(localStorage.getItem(keyOf(rater)));
    } catch {
      return null;
    }
  };
  const save = () => {
    try {
      localStorage.setItem(keyOf(state.rater), JSON.stringify(state));
    } catch { /* a page from disk may have no storage: answers then live as long as the page */ }
  };
  const sessionOf = (rater) => study.session ?? study.sessions[rater - 1];
  const trialsOf = (rater) =>
    sessionOf(rater).map(([kind, image, left, right]) => ({
      kind: study.kinds[kind],
      image: study.names[image],
      left: study.sides[left],
      right: study.sides[right],
      files: [study.images[image][left], study.images[image][right], study.images[image][study.source]],
    }));

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function show(...children) {
    view.replaceChildren(...children);
  }

  function button(text, act, name = "") {
    return element("button", { type: "button", textContent: text, onclick: act, className: name });
  }

  function start() {
    const asked = crowd ? Number(study.rater) : Number(location.hash.slice(1)) || "";
    const field = element("input", {
      type: "number", id: "rater", min: 1, max: study.raters, value: asked, required: true, readOnly: Boolean(crowd),
    });
    const agreed = element("input", { type: "checkbox", id: "agreed" });
    const problem = element("p", { className: "problem", role: "alert" });
    const begin = () => {
      const rater = Number(field.value);
      if (!Number.isInteger(rater) || rater < 1 || rater > study.raters) {
        problem.textContent = `Please enter your rater number: 1 to ${study.raters}.`;
      } else if (!agreed.checked) {
        problem.textContent = "Please tick the box, or close the page.";
      } else {
        state = stored(rater) ?? { rater, seconds: 0, trials: [] };
        next();
      }
    };
    const numbered = crowd ? [] : [
      element("p", {}, element("label", { htmlFor: "rater", textContent: "Your rater number: " }), field),
    ];
    show(
      ...document.getElementById("intro").content.cloneNode(true).children,
      ...numbered,
      element("p", {}, agreed, element("label", { htmlFor: "agreed", textContent:
        " I take part of my own free will. I may stop at any time. My answers and their timing are used for research; no personal data is asked or kept.",
      })),
      button("Start", begin, "go"),
      problem,
    );
    press = (what) => what === "go" && begin();
  }

  function next() {
    const trials = trialsOf(state.rater);
    const place = state.trials.length;
    if (place >= trials.length) {
      return finish();
    }
    const trial = trials[place];
    const images = trial.files.slice(0, 2).map((file, side) =>
      element("img", { src: file, alt: `${side ? "right" : "left"} image`, draggable: false }),
    );
    const ready = Promise.all(images.map((image) => image.decode().catch(() => {})));
    const pair = element("div", { className: timed ? "pair" : "pair visible" }, ...images);
    const source = trial.files[2]
      ? [element("img", { src: trial.files[2], alt: "what both were made from", className: "source" })]
      : [];
    const question = element("p", { className: "question", textContent: study.question });
    const [left, right] = ["Left", "Right"].map((text, side) =>
      button(text, () => press(side ? "right" : "left"), "choice"),
    );
    const choices = element("div", { className: "choices" }, left, right);
    const wait = (blocked) => {
      for (const one of [left, right]) one.disabled = blocked;
      question.style.visibility = blocked ? "hidden" : "visible";
    };
    const count = trial.kind === "practice" ? "Practice" : "Trial";
    const first = trials.findIndex((one) => one.kind !== "practice");
    const number = trial.kind === "practice" ? place + 1 : place - first + 1;
    const whole = trial.kind === "practice" ? first : trials.length - first;
    show(element("p", { className: "count", textContent: `${count} ${number} of ${whole}` }), ...source, pair,
      question, choices);
    press = () => {};
    wait(true);
    ready.then(() => (timed ? shown(pair, study.show_ms) : null)).then((shownMs) => {
      const asked = performance.now();
      wait(false);
      announce.textContent = study.question;
      press = (what) => what !== "go" && answer(trial, what, shownMs, performance.now() - asked);
    });
  }

  // Visible from one frame to the first one `ms` later (half a frame is allowed); how long it was, in ms.
  function shown(pair, ms) {
    return new Promise((done) => {
      requestAnimationFrame((begin) => {
        pair.classList.add("visible");
        const step = (now) => {
          if (now - begin >= ms - 8) {
            pair.classList.remove("visible");
            done(Math.round(now - begin));
          } else {
            requestAnimationFrame(step);
          }
        };
        requestAnimationFrame(step);
      });
    });
  }

  function answer(trial, side, shownMs, responseMs) {
    press = () => {};
    const { kind, image, left, right } = trial;
    state.trials.push({ kind, image, left, right, answer: side, shown_ms: shownMs, response_ms: Math.round(responseMs) });
    state.seconds += Math.round(((shownMs ?? 0) + responseMs) / 100) / 10;
    save();
    if (kind !== "practice") {
      next();
      return;
    }
    const generated = left === study.real ? "right" : "left";
    const said = side === generated ? "Right." : `No: the generated image was on the ${generated}.`;
    announce.textContent = said;
    show(element("p", { className: "question", textContent: said }), button("Next", next, "go"));
    press = (what) => what === "go" && next();
  }

  function finish() {
    const content = JSON.stringify({
      schema_version: 1, page: study.page, task: study.task, rater: state.rater, agreed: true,
      seconds: Math.round(state.seconds), trials: state.trials,
    });
    if (crowd) {
      crowd.value = content;
      document.getElementById("send").hidden = false;
      show(element("p", { className: "question", textContent: "Thank you. Please submit." }));
      return;
    }
    const name = `answers-${study.page}-rater-${state.rater}.json`;
    const link = element("a", {
      href: URL.createObjectURL(new Blob([content], { type: "application/json" })), download: name, className: "go",
      textContent: "Save my answers",
    });
    show(
      element("p", { className: "question", textContent: "Thank you: that was the last one." }),
      element("p", {}, link),
      element("p", { textContent: `Please send the file ${name} back to whoever gave you this page. If it cannot be saved, copy this text:` }),
      element("textarea", { readOnly: true, rows: 6, value: content, id: "text", ariaLabel: "your answers" }),
    );
    press = (what) => what === "go" && link.click();
  }

  document.addEventListener("keydown", (event) => {
    const inField = ["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.key !== "Enter";
    const what = { ArrowLeft: "left", ArrowRight: "right", Enter: "go", " ": "go" }[event.key];
    const onButton = event.target.tagName === "BUTTON" || event.target.tagName === "A";
    if (what && !event.repeat && !inField && !(what === "go" && onButton)) {
      event.preventDefault();
      press(what);
    }
  });
  start();
})();
