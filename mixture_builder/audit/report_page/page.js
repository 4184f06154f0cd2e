
(async () => {
  const ABOUT = JSON.parse(byId("about").textContent);
  const LEVELS = ["error", "warning", "note"];
  const SVG = "http://www.w3.org/2000/svg";
  const whole = new Intl.NumberFormat("en");

  const shown = (value) => (value === null || value === undefined ? "" : whole.format(value));
  const numbers = (...values) => values.map((value) => made("td", "n", typeof value === "string" ? value : shown(value)));
  const signed = (value) => (value ? (value > 0 ? "+" : "\u2212") + shown(Math.abs(value)) : "0");

  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  // --- the table of tasks ------------------------------------------------------------------

  // Each cell is rounded up or down by itself, so one more or less than asked is as asked.
  const sort = ([, asked, found]) => {
    if (!asked) return found ? 5 : 0;
    if (!found) return 0;
    if (Math.abs(found - asked) <= 1 + asked / 10) return 3;
    return found > asked ? 4 : found < asked / 2 ? 1 : 2;
  };
  const SORTS = ["not used", "under half of what was asked", "less than asked", "as asked", "more than asked", "not asked for"];

  const task = (line, number) => {
    const sorts = line.templates.map(sort);
    const worst = Math.min(3, ...line.checks.map(([, rank]) => rank));
    const off = sorts.filter((one) => one !== 3).length;
    const words = [line.id, line.title, line.kind, line.licence, line.part, ...line.languages, ...line.checks.map(([check]) => check), ...line.templates.map(([name]) => name)];
    return { line, number, sorts, worst, off, share: off / Math.max(1, sorts.length), words: words.join(" ").toLowerCase(), row: null, detail: null };
  };

  const strip = ({ line, sorts }) => {
    const used = line.templates.filter(([, , found]) => found).length;
    const cell = made("td", "strip");
    const box = made("span", "");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `${used} of ${line.templates.length} templates used`);
    line.templates.forEach(([name, asked, found], place) => {
      const one = made("span", "t t" + sorts[place]);
      one.title = `${name}: ${shown(found)} of ${shown(asked)}, ${SORTS[sorts[place]]}`;
      box.append(one);
    });
    cell.append(box);
    return cell;
  };

  const marks = (line) => {
    const cell = made("td", "mark");
    LEVELS.forEach((level, rank) => {
      const found = line.checks.filter(([, one]) => one === rank);
      if (!found.length) return;
      const mark = made("span", "mark r" + rank, `${found.length} ${level}${found.length > 1 ? "s" : ""} `);
      mark.title = found.map(([check]) => check).join(", ");
      cell.append(mark);
    });
    return cell;
  };

  const rowOf = (one) => {
    const { line } = one;
    const button = made("button", "name", line.id);
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => (one.detail ? close(one) : open(one)));
    const row = made("tr", "task", made("td", "", button), strip(one));
    const used = line.templates.filter(([, , found]) => found).length;
    const exemplars = line.shots === null ? "" : line.shots.toFixed(2);
    row.append(...numbers(`${used}/${line.templates.length}`, line.asked, line.found, signed(line.found - line.asked), exemplars, ...line.chars));
    row.append(made("td", "", line.licence), marks(line));
    row.id = line.id;
    return row;
  };

  const mixOf = (tasks) => {
    const counts = [0, 0, 0, 0, 0, 0];
    tasks.forEach((one) => one.sorts.forEach((value) => (counts[value] += 1)));
    const all = counts.reduce((a, b) => a + b, 0) || 1;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "mix");
    svg.setAttribute("viewBox", "0 0 100 10");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    let x = 0;
    for (const value of [5, 4, 3, 2, 1, 0]) {
      const box = document.createElementNS(SVG, "rect");
      box.setAttribute("class", "m" + value);
      box.setAttribute("x", x);
      box.setAttribute("width", (100 * counts[value]) / all);
      box.setAttribute("height", 10);
      svg.append(box);
      x += (100 * counts[value]) / all;
    }
    return [svg, `${shown(counts[3])} of ${shown(all)} templates as asked, ${shown(counts[0])} not used`];
  };

  const HEADS = ["task", "templates", "used", "asked", "found", "\u00b1", "exemplars", "prompt", "target", "licence", "findings"];
  const groupOf = (name, tasks) => {
    const head = made("th", "", made("b", "", name));
    head.colSpan = HEADS.length;
    head.scope = "rowgroup";
    const found = tasks.reduce((sum, one) => sum + one.line.found, 0);
    const asked = tasks.reduce((sum, one) => sum + one.line.asked, 0);
    const [mix, words] = mixOf(tasks);
    head.append(made("span", "quiet", `${shown(tasks.length)} task${tasks.length === 1 ? "" : "s"} \u00b7 ${shown(found)} of ${shown(asked)} examples`), mix, made("span", "quiet", words));
    return made("tbody", "", made("tr", "group", head));
  };

  const ORDERS = {
    trouble: (a, b) => a.worst - b.worst || b.share - a.share || Math.abs(b.line.found - b.line.asked) - Math.abs(a.line.found - a.line.asked),
    name: () => 0,
    found: (a, b) => b.line.found - a.line.found,
    chars: (a, b) => (b.line.chars[0] || 0) - (a.line.chars[0] || 0),
  };

  // --- one task ----------------------------------------------------------------------------

  const facts = (pairs) => {
    const list = made("dl", "facts");
    for (const [name, value] of pairs) {
      const text = made("dd", "", value);
      text.dir = "auto";
      list.append(made("dt", "", name), text);
    }
    return list;
  };

  const table = (heads, rows) => {
    const head = made("tr", "", ...heads.map((name, place) => made("th", place ? "n" : "", name)));
    const lines = rows.map(([name, ...values]) => made("tr", "", made("td", "", made("code", "", name)), ...numbers(...values)));
    return made("div", "scroll", made("table", "", made("thead", "", head), made("tbody", "", ...lines)));
  };

  const text = (parts, className, label) => {
    const box = made("pre", "text " + className);
    box.tabIndex = 0;
    box.dir = "auto";
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    for (const [kind, words, field, exemplar] of parts) {
      if (kind < 0) {
        box.append(made("span", "cut", `${words} characters not shown`));
        continue;
      }
      const span = made("span", "p k-" + ABOUT.kinds[kind], words);
      const name = ABOUT.names[kind] + (exemplar ? " " + exemplar : "");
      span.title = field ? `${name}: ${field}` : name;
      if (field && ABOUT.kinds[kind] !== "options") span.classList.add("field");
      box.append(span);
    }
    return box;
  };

  const sample = (found) => {
    const exemplars = found.exemplars ? `${found.exemplars} exemplar${found.exemplars > 1 ? "s" : ""}` : "";
    const words = [found.template, exemplars, found.style.replaceAll(";", "; "), found.at].filter(Boolean).join(" \u00b7 ");
    const box = made("section", "sample", made("h4", "", found.variant + " ", made("span", "quiet", words)));
    const name = `${found.variant}, ${found.template}`;
    box.append(text(found.prompt, "prompt", "prompt of " + name), text(found.target, "target", "target of " + name));
    if (!found.apart) box.append(made("p", "quiet", "Parts are not told apart: the row store was not at hand, or gives another text."));
    if (found.fields.length) {
      const row = made("details", "row", made("summary", "", "Source row"));
      row.append(made("p", "quiet", `${found.place} \u00b7 identity ${found.row}`), facts(found.fields));
      box.append(row);
    }
    return box;
  };

  const findingOf = (finding) => {
    const box = made("div", "", made("p", "", made("span", "mark r" + LEVELS.indexOf(finding.severity), finding.severity), " ", made("code", "", finding.check), " ", finding.message));
    box.append(made("p", "quiet", finding.remedy));
    for (const one of finding.evidence) {
      const record = made("pre", "text evidence", one.text);
      record.dir = "auto";
      box.append(made("p", "quiet", `${one.shard}:${one.row}`), record);
    }
    return box;
  };

  const coverage = (line, data) => {
    const variants = line.variants.map(([name]) => name);
    const found = data.templates || {};
    const rows = line.templates.map(([name, asked, all]) => [name, asked, all, ...variants.map((variant) => found[name]?.[variant] ?? 0)]);
    const sums = ["all", line.asked, line.found, ...line.variants.map(([, , count]) => count)];
    return table(["template", "asked", "found", ...variants], [...rows, sums]);
  };

  const lengths = (data) => {
    const keys = ["mean", "min", "p5", "p50", "p95", "max"];
    const rows = Object.entries(data.lengths || {}).map(([name, values]) => [name.replace("_", " "), ...keys.map((key) => values[key])]);
    return table(["length", "mean", "min", "5 %", "median", "95 %", "max"], rows);
  };

  const chance = (test) => (test.p_corrected === undefined ? "" : `, p ${test.p_corrected.toPrecision(2)} after correction`);

  const labels = (told) => {
    const all = (counts) => Math.max(1, Object.values(counts).reduce((a, b) => a + b, 0));
    const percent = (count, of) => ((100 * count) / of).toFixed(1);
    const [found, rows] = [all(told.found), all(told.source)];
    const lines = Object.keys(told.source).map((name) => [name, told.found[name], percent(told.found[name], found), percent(told.source[name], rows)]);
    const box = made("div", "", made("h4", "", "Answers"), table([told.field, "targets", "%", "% of rows"], lines));
    if (told.p !== undefined) box.append(made("p", "quiet", `chi-square p ${told.p.toPrecision(2)}${chance(told)}`));
    return box;
  };

  const LEGEND = () => {
    const list = made("ul", "legend");
    ABOUT.kinds.forEach((kind, place) => list.append(made("li", "", made("span", "p k-" + kind, ABOUT.names[place]))));
    return list;
  };

  const detailOf = ({ line }, data) => {
    // On narrow screens the table scrolls sideways, and what is inside of it stays in sight.
    const inside = made("div", "sight");
    const cell = made("td", "", inside);
    cell.colSpan = HEADS.length;
    const about = [
      ["title", line.title],
      ["kind", line.kind],
      ["languages", line.languages.join(", ")],
      ["licence", [line.licence, data.licence_read_at].filter(Boolean).join("; ")],
      ["cite", data.citation],
      ["rows", shown(data.rows)],
      ["scripts", Object.entries(data.scripts || {}).map(([name, count]) => `${name} ${shown(count)}`).join(", ")],
      ["exemplars", Object.entries(data.shots || {}).map(([number, count]) => `${number}: ${shown(count)}`).join(", ")],
      ["right option", data.positions ? data.positions.counts.map(shown).join(", ") + " by place" + chance(data.positions) : ""],
    ];
    inside.append(facts(about.filter(([, value]) => value)));
    if (data.findings.length) inside.append(made("h4", "", "Findings"), ...data.findings.map(findingOf));
    inside.append(made("div", "columns", made("div", "", made("h4", "", "Templates"), coverage(line, data)), made("div", "", made("h4", "", "Lengths"), lengths(data)), ...data.labels.map(labels)));
    if (data.samples.length) {
      inside.append(made("h4", "", "Sample records"), LEGEND(), made("div", "samples", ...data.samples.map(sample)));
    }
    return made("tr", "detail", cell);
  };

  const chunks = new Map();
  const dataOf = async (number) => {
    const chunk = Math.floor(number / ABOUT.chunk);
    if (!chunks.has(chunk)) chunks.set(chunk, unpack("chunk-" + chunk));
    return (await chunks.get(chunk))[number % ABOUT.chunk];
  };

  const open = async (one) => {
    one.row.querySelector("button").setAttribute("aria-expanded", "true");
    const data = await dataOf(one.number);
    if (one.detail) return;
    one.detail = detailOf(one, data);
    one.row.after(one.detail);
  };
  const close = (one) => {
    one.row.querySelector("button").setAttribute("aria-expanded", "false");
    one.detail.remove();
    one.detail = null;
  };

  // --- filters, moving ---------------------------------------------------------------------

  const tasks = (await unpack("lines")).map(task);
  const head = made("thead", "", made("tr", "", ...HEADS.map((name, place) => made("th", place > 1 && place < 9 ? "n" : "", name))));
  const map = made("table", "", head);
  byId("map").append(map);
  let listed = [];

  const fits = ({ line, worst, off, words }) => {
    const terms = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const level = byId("level").value;
    const check = byId("check").value;
    if (level === "coverage" ? !off : level && worst > Number(level)) return false;
    if (check && !line.checks.some(([name]) => name === check)) return false;
    if (byId("part").value && byId("part").value !== line.part) return false;
    if (byId("licence").value && byId("licence").value !== line.licence) return false;
    return terms.every((term) => words.includes(term));
  };

  let waiting = 0;
  const apply = () => {
    clearTimeout(waiting);
    const focused = map.contains(document.activeElement) ? document.activeElement : null;
    const order = ORDERS[byId("sort").value];
    const kept = tasks.filter(fits).sort((a, b) => order(a, b) || a.number - b.number);
    const groups = new Map();
    for (const one of kept) {
      if (!groups.has(one.line.part)) groups.set(one.line.part, []);
      groups.get(one.line.part).push(one);
    }
    listed = [];
    const bodies = [...groups.keys()].sort().map((name) => {
      const body = groupOf(name, groups.get(name));
      for (const one of groups.get(name)) {
        one.row ??= rowOf(one);
        body.append(one.row);
        if (one.detail) body.append(one.detail);
        listed.push(one);
      }
      return body;
    });
    map.replaceChildren(head, ...bodies);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    byId("count").textContent = kept.length === tasks.length ? `${shown(tasks.length)} tasks` : `${shown(kept.length)} of ${shown(tasks.length)} tasks`;
  };

  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  };

  const clear = () => {
    for (const id of ["filter", "level", "check", "part", "licence"]) byId(id).value = "";
    apply();
  };

  const follow = async () => {
    const wanted = wantedId();
    const one = tasks.find(({ line }) => line.id === wanted);
    if (!one) return;
    if (!listed.includes(one)) clear();
    await open(one);
    one.row.scrollIntoView();
    one.row.querySelector("button").focus({ preventScroll: true });
  };

  const move = (step) => {
    const at = listed.findIndex((one) => one.row.contains(document.activeElement) || one.detail?.contains(document.activeElement));
    const next = listed[Math.max(0, Math.min(listed.length - 1, at < 0 ? 0 : at + step))];
    next?.row.querySelector("button").focus({ preventScroll: true });
    next?.row.scrollIntoView({ block: "center" });
  };

  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", (event) => event.target.id === "keys" || soon());
  for (const button of document.querySelectorAll(".pick")) {
    button.addEventListener("click", () => {
      clear();
      byId("check").value = button.dataset.check;
      apply();
      byId("tasks").scrollIntoView();
      byId("filter").focus({ preventScroll: true });
    });
  }
  addEventListener("keydown", filterKeys(apply, move));
  // A link to the task that is open already changes no hash, but is followed.
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a");
    if (link && link.hash === location.hash) follow();
  });
  addEventListener("hashchange", follow);
  apply();
  document.documentElement.dataset.ready = "yes";
  await follow();
})();
