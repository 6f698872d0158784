"use strict";
// The charts: drawn by Vega, read with a mouse, a finger or the keyboard; and tables that can be scrolled.
const Charts = (() => {
  const specs = JSON.parse(document.getElementById("charts-data").textContent);
  const views = {}, followers = {};
  const linear = new Set(); // charts whose counts the reader wants on a linear scale
  const tip = document.getElementById("tip");

  // Shows a text beside a box on the screen.
  const show = (text, box) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, box.left + box.width / 2 - width / 2), innerWidth - width - 4);
    const top = box.top - height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${top > 4 ? top : box.bottom + 8}px`;
  };
  const hide = () => { tip.hidden = true; };

  const specOf = (id) => {
    const spec = structuredClone(specs[id]);
    if (!linear.has(id)) return spec;
    const { y } = (spec.layer?.[0] ?? spec).encoding;
    delete y.scale;
    delete y.axis.values;
    Object.assign(y.axis, { tickCount: 3, tickMinStep: 1 });
    return spec;
  };

  // Draws the chart with this id at its place; `follow` is called with the view whenever it has a new size.
  const draw = async (place) => {
    const id = place.dataset.chart;
    views[id]?.finalize();
    const tooltip = (_, event, item, text) => (text ? show(text, { left: event.clientX, width: 0, top: event.clientY, bottom: event.clientY }) : hide());
    const { view } = await vegaEmbed(place, specOf(id), { actions: false, loader: { target: "clips" }, renderer: "svg", ast: true, tooltip });
    views[id] = view;
    view.addResizeListener(() => requestAnimationFrame(() => followers[id]?.(view)));
    followers[id]?.(view);
  };

  // A chart is one stop of the Tab key; the arrow keys move along its bars.
  const bars = (place) => [...place.querySelectorAll(".mark-rect path")].filter((bar) => bar.__data__?.datum?.count);
  const moves = {
    ArrowRight: (at) => at + 1, ArrowDown: (at) => at + 1, ArrowLeft: (at) => at - 1, ArrowUp: (at) => at - 1,
    Home: () => 0, End: () => Infinity,
  };
  const readable = (place) => {
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", `${specs[place.dataset.chart].description}. The arrow keys move along the bars.`);
    place.addEventListener("keydown", (event) => {
      const all = bars(place), at = all.indexOf(document.activeElement);
      const { url } = document.activeElement.__data__?.datum ?? {};
      if (event.key === "Enter" && url) window.open(url, "clips");
      if (event.key === "Escape") hide();
      if (!moves[event.key] || !all.length) return;
      event.preventDefault();
      const next = all[Math.min(all.length - 1, Math.max(0, moves[event.key](at)))];
      next.setAttribute("tabindex", "-1");
      next.focus();
    });
    place.addEventListener("focusin", ({ target }) => {
      if (target !== place) show(target.getAttribute("aria-label"), target.getBoundingClientRect());
    });
    place.addEventListener("focusout", hide);
  };
  addEventListener("scroll", hide, { passive: true });

  for (const button of document.querySelectorAll("[data-scale]")) {
    const id = button.dataset.scale;
    button.addEventListener("click", async () => {
      if (!linear.delete(id)) linear.add(id);
      button.textContent = linear.has(id) ? "Logarithmic scale" : "Linear scale";
      button.previousElementSibling.textContent = linear.has(id) ? "Counts are on a linear scale." : "Counts are on a logarithmic scale, as one bar would hide the others.";
      await draw(document.querySelector(`[data-chart="${id}"]`));
    });
  }

  // What is wider than its place says so, and can be scrolled with the arrow keys.
  const watch = new ResizeObserver((entries) => {
    for (const { target: place } of entries) {
      const more = place.scrollWidth > place.clientWidth + 1;
      const hint = place.previousElementSibling?.classList.contains("more") ? place.previousElementSibling : null;
      if (!more) {
        hint?.remove();
        for (const name of ["tabindex", "role", "aria-label"]) place.removeAttribute(name);
        continue;
      }
      place.tabIndex = 0;
      place.setAttribute("role", "group");
      place.setAttribute("aria-label", place.dataset.label);
      if (hint) continue;
      const note = document.createElement("p");
      note.className = "more";
      note.textContent = "Scroll sideways for more →";
      place.before(note);
    }
  });
  for (const place of document.querySelectorAll(".scroll")) watch.observe(place);

  return {
    views,
    follow: (id, told) => { followers[id] = told; },
    drawAll: () => Promise.all([...document.querySelectorAll("[data-chart]")].map((place) => { readable(place); return draw(place); })),
  };
})();
