(() => {
  const all = (what, root = document) => [...root.querySelectorAll(what)];
  const one = (what) => document.querySelector(what);

  // Tables: a button in each head sorts the rows of every body; long tables get a field that filters them.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number.parseFloat(text);
    return cell.dataset.value !== undefined && !Number.isNaN(number) ? number : text;
  };
  const before = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return typeof a === "number" ? -1 : 1; // what was not measured stands last
  };
  const sort = (table, column, down) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      const known = rows.filter((row) => typeof valueOf(row, column) === "number");
      const numeric = known.length > 0;
      rows.sort((a, b) => {
        const [x, y] = [valueOf(a, column), valueOf(b, column)];
        if (numeric && typeof x !== typeof y) return before(x, y);
        return down ? before(y, x) : before(x, y);
      });
      body.append(...rows);
    }
  };
  for (const table of all("table.data")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.classList.contains("quotient") || head.classList.contains("lanes-head") || !head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
    const rows = all("tbody tr:not(.group)", table);
    if (rows.length < 6) continue;
    const place = table.closest(".scroll");
    const label = document.createElement("label");
    label.className = "filter";
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Filter";
    field.setAttribute("aria-label", `Filter rows of: ${place.getAttribute("aria-label")}`);
    const count = document.createElement("span");
    count.className = "count";
    count.setAttribute("role", "status");
    label.append(field, count);
    place.before(label);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      for (const group of all("tr.group", table)) {
        group.hidden = [...group.parentNode.rows].every((row) => row === group || row.hidden);
      }
      count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
    });
  }

  // Quality against cost: one chart at a time.
  const metric = one("#tradeoff-metric");
  const axis = one("#tradeoff-axis");
  const charts = all(".chart");
  const choose = () => {
    for (const chart of charts) chart.hidden = chart.dataset.metric !== metric.value || chart.dataset.axis !== axis.value;
  };
  if (metric && axis) {
    for (const select of [metric, axis]) select.addEventListener("change", choose);
    choose();
  }

  // What a mark of a chart stands for, beside the pointer.
  const tip = one("#tip");
  const tell = (event) => {
    const mark = event.target.closest?.("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip ?? mark.getAttribute("data-tip");
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${event.clientY + height + 24 > innerHeight ? event.clientY - height - 12 : event.clientY + 16}px`;
  };
  addEventListener("pointermove", tell);
  addEventListener("pointerdown", tell);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // All videos on one clock: it says which frame is shown, and every video goes there.
  const player = one("#player");
  const videos = all(".sample video");
  if (player && videos.length) {
    const fps = Number(player.dataset.fps);
    const frames = Number(player.dataset.frames);
    const [play, scrub, output] = [one("#play"), one("#scrub"), one("#frame")];
    let frame = 0;
    let playing = false;
    let since = 0;
    let begun = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const show = () => {
      const time = (frame + 0.5) / fps;
      for (const video of videos) video.currentTime = time;
      scrub.value = String(frame);
      scrub.setAttribute("aria-valuetext", `frame ${frame + 1} of ${frames}`);
      output.textContent = `${frame + 1} of ${frames}`;
    };
    const tick = (now) => {
      if (!playing) return;
      const next = Math.floor(((now - since) / 1000) * fps) % frames;
      if (next !== frame && videos.every((video) => !video.seeking)) {
        frame = next;
        show();
      }
      requestAnimationFrame(tick);
    };
    const set = (wanted) => {
      playing = wanted;
      play.textContent = playing ? "Pause" : "Play";
      since = performance.now() - (frame / fps) * 1000;
      if (playing) requestAnimationFrame(tick);
    };
    for (const video of videos) video.controls = false;
    player.hidden = false;
    play.addEventListener("click", () => {
      begun = true;
      set(!playing);
    });
    scrub.addEventListener("input", () => {
      begun = true;
      frame = Number(scrub.value);
      set(false);
      show();
    });
    show();
    // Playing begins when the videos come into view, and not at all for who asked for less motion.
    set(false);
    new IntersectionObserver((seen) => {
      if (!begun && seen.some((entry) => entry.isIntersecting)) {
        begun = true;
        set(true);
      }
    }).observe(one(".gallery"));
  }

  addEventListener("beforeprint", () => {
    for (const part of all("details")) part.open = !part.closest(".screen");
  });
})();
