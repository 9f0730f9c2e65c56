"use strict";
// Adds to a page that is whole without it: values under the pointer, lines switched on and off,
// and pictures compared in place. Values are read back from the drawn lines.
(() => {
  document.documentElement.classList.add("js");
  const make = (name, className, text) => {
    const one = document.createElement(name);
    if (className) one.className = className;
    if (text !== undefined) one.textContent = text;
    return one;
  };

  const chart = document.getElementById("timeline");
  const buttons = [...document.querySelectorAll(".keys button")];
  const seriesOf = (index) => chart.querySelectorAll(`.series[data-series="${index}"]`);
  const off = new Set();

  const toggle = (button) => {
    const index = button.dataset.series;
    const hide = !off.has(index);
    if (hide) off.add(index);
    else off.delete(index);
    button.setAttribute("aria-pressed", String(!hide));
    for (const one of seriesOf(index)) one.classList.toggle("off", hide);
  };
  for (const button of buttons) {
    const index = button.dataset.series;
    button.addEventListener("click", () => toggle(button));
    const light = (on) => {
      chart.classList.toggle("dim", on && !off.has(index));
      for (const one of seriesOf(index)) one.classList.toggle("lit", on);
    };
    button.addEventListener("pointerenter", () => light(true));
    button.addEventListener("pointerleave", () => light(false));
  }

  // The many lines of a long title cover each other: begin with the best, the last, and two between.
  if (chart && buttons.length > 4 && chart.querySelector(".band")) {
    const shown = new Set([0, 1, 2, 3].map((i) => Math.round((i * (buttons.length - 1)) / 3)));
    buttons.forEach((button, i) => shown.has(i) || toggle(button));
  }

  const clock = (seconds) => {
    const hundredths = Math.round(seconds * 100);
    const two = (n) => String(n).padStart(2, "0");
    const s = Math.floor(hundredths / 100);
    const head = s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}` : `${Math.floor(s / 60)}`;
    return `${head}:${two(s % 60)}.${two(hundredths % 100)}`;
  };
  const bitrate = (bits) => (bits < 999500 ? `${Math.round(bits / 1e3)} kb/s` : `${(bits / 1e6).toFixed(2)} Mb/s`);
  const show = { vmaf: (v) => v.toFixed(1), bitrate };

  // The drawn height of a line at x: between the two corners around it.
  const heightAt = (line, x) => {
    const corners = line.points;
    let low = 0;
    let high = corners.numberOfItems - 1;
    if (high < 0) return null;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (corners.getItem(middle).x <= x) low = middle;
      else high = middle;
    }
    const a = corners.getItem(low);
    const b = corners.getItem(high);
    if (b.x <= a.x) return a.y;
    const share = Math.min(1, Math.max(0, (x - a.x) / (b.x - a.x)));
    return a.y + share * (b.y - a.y);
  };
  const valueAt = (panel, y) => {
    const { low, high, start, end, log } = panel.dataset;
    const share = (y - start) / (end - start);
    return log === "1" ? low * (high / low) ** share : +low + share * (high - low);
  };

  if (chart) {
    const readout = chart.querySelector(".readout");
    for (const svg of chart.querySelectorAll("svg.timeline")) {
      const { left, right, frames, rate } = svg.dataset;
      const starts = svg.dataset.shots.split(" ").map(Number);
      const cursor = svg.querySelector(".cursor");
      const panels = [...svg.querySelectorAll(".panel")];
      const hide = () => {
        readout.hidden = true;
        cursor.style.visibility = "hidden";
      };
      svg.addEventListener("pointerleave", hide);
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / box.width;
        const x = (event.clientX - box.left) * scale;
        if (x < +left || x > +right) return hide();
        const frame = Math.min(frames - 1, Math.floor(((x - left) / (right - left)) * frames));
        let shot = 0;
        while (shot + 1 < starts.length && starts[shot + 1] <= frame) shot += 1;
        const table = make("table");
        for (const button of buttons) {
          const index = button.dataset.series;
          if (off.has(index)) continue;
          const row = table.appendChild(make("tr"));
          const name = row.appendChild(make("td"));
          name.append(make("i", `dot r${index}`), button.textContent);
          for (const panel of panels) {
            const line = panel.querySelector(`[data-series="${index}"] polyline`);
            const y = line && heightAt(line, x);
            const value = y === null ? "" : show[panel.dataset.kind](valueAt(panel, y));
            row.appendChild(make("td", "n", value));
          }
        }
        const head = make("p", "", `${clock(frame / rate)}, frame ${frame}, shot ${shot + 1}`);
        readout.replaceChildren(head, table);
        readout.hidden = false;
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
        cursor.style.visibility = "visible";
        const room = chart.getBoundingClientRect();
        const beside = event.clientX - room.left + 16;
        const wide = readout.offsetWidth;
        const at = beside + wide > room.width ? beside - wide - 32 : beside;
        readout.style.left = `${Math.max(0, at)}px`;
        readout.style.top = `${Math.max(0, event.clientY - room.top - readout.offsetHeight / 2)}px`;
      });
    }
  }

  const viewer = document.getElementById("viewer");
  const stage = viewer.querySelector(".stage");
  const choices = viewer.querySelector(".choices");
  let pictures = [];
  let current = 0;
  let flip = [0, 1];
  const look = (index) => {
    current = (index + pictures.length) % pictures.length;
    const image = make("img");
    image.src = pictures[current].src;
    image.alt = pictures[current].alt;
    image.classList.toggle("zoomed", pictures[current].naturalWidth < 480);
    stage.replaceChildren(image);
    [...choices.children].forEach((b, i) => b.setAttribute("aria-pressed", String(i === current)));
  };
  for (const row of document.querySelectorAll(".pictures")) {
    const images = [...row.querySelectorAll("img")];
    images.forEach((image, index) => {
      image.addEventListener("click", () => {
        pictures = images;
        flip = (row.dataset.flip || "0 1").split(" ").map(Number);
        const parts = [...row.closest(".triple").querySelectorAll("h3 > :not(i)")];
        viewer.querySelector(".caption").textContent = parts.map((one) => one.textContent).join(", ");
        choices.replaceChildren(
          ...images.map((one, i) => {
            const button = make("button", "", one.parentElement.querySelector("figcaption").textContent);
            button.type = "button";
            button.addEventListener("click", () => look(i));
            return button;
          }),
        );
        look(index);
        viewer.showModal();
      });
    });
  }
  // A click flips between two pictures, the comparison that eyes do best.
  stage.addEventListener("click", () => look(current === flip[0] ? flip[1] : flip[0]));
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") look(current + 1);
    if (event.key === "ArrowLeft") look(current - 1);
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close();
  });
})();
