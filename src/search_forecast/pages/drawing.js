/* Words, elements and figures: what a page's own script builds it of. What comes from data becomes text nodes, never markup. */
"use strict";
const $ = id => document.getElementById(id);
const embedded = id => JSON.parse($(id).textContent);
const facts = embedded("data"), specifications = embedded("specifications"), strings = embedded("strings");
let language = navigator.language.startsWith("es") ? "es" : "en";
let locale = navigator.language;

// Words and numbers, as the reader's language and place write them.
// {days:day|# days} is the first where `days` is 1, else the second, # being the number.
const say = (key, values = {}) => (strings[language][key] ?? key).replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g,
  (_, name, one, many) => one === undefined ? values[name] : String(values[name]) === "1" ? one : many.replace("#", values[name]));
const visible = text => String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, c => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);
const quoted = term => `\u2068“${visible(term)}”\u2069`;
const formatters = new Map(); // making one takes as long as writing a hundred values
const written = (value, kind, options) => {
  // Names of days and months are words: in the language of the page, whatever the reader's place writes numbers like.
  const place = (options?.weekday || options?.month) && !locale.startsWith(language) ? language : locale;
  const name = JSON.stringify([kind.name, place, options]);
  if (!formatters.has(name)) formatters.set(name, new kind(place, options));
  return formatters.get(name).format(value);
};
const number = (value, options) => value == null ? "–" : written(value, Intl.NumberFormat, options);
const moment = (value, options) => value == null ? "–" : written(new Date(value), Intl.DateTimeFormat, options);
const utc = (value, options) => moment(value, { timeZone: "UTC", ...options });
const formats = {
  asCount: value => number(value, Math.abs(value) < 1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 1 }),
  asPercent: value => (value > 0 && value < 0.0005 ? "<" : "") + number(value > 0 ? Math.max(value, 0.001) : value, { style: "percent", maximumFractionDigits: 1 }),
  asChange: value => number(value, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" }),
  asDay: value => utc(value, { dateStyle: "medium" }),
  asDate: value => utc(value, { day: "numeric", month: "short" }),
  asMonth: value => utc(value, { month: "short", year: "numeric" }),
};
const { asCount, asPercent, asChange, asDay } = formats;
const between = (first, last) => first === last ? asDay(first) : `${asDay(first)} – ${asDay(last)}`;

/** Says all that stands in the HTML, and shows what `render` does: now, and in another language. */
const present = render => {
  const show = () => {
    document.documentElement.lang = language;
    document.title = say("title");
    document.querySelectorAll("[data-text]").forEach(item => { item.textContent = say(item.dataset.text); });
    document.querySelectorAll("#languages button").forEach(button => button.setAttribute("aria-pressed", String(button.value === language)));
    render();
  };
  document.querySelectorAll("#languages button").forEach(button => button.addEventListener("click", () => {
    language = button.value;
    locale = navigator.languages.find(name => name.startsWith(language)) ?? language;
    show();
  }));
  show();
};

// Elements.
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter(child => child != null));
  return made;
};
const paragraph = (text, className = "note") => element("p", { className }, text);
const key = (...entries) => element("ul", { className: "key" }, ...entries.map(([className, text]) => element("li", { className }, text)));
const missing = table => {
  const [before, after] = say("missing", { table }).split("{}");
  return element("p", { className: "missing" }, before, element("code", {}, `search-forecast ${facts.sources[table]}`), after);
};
const choice = (labels, chosen, choose) => labels.map((label, place) => {
  const button = element("button", { type: "button" }, label);
  button.setAttribute("aria-pressed", String(place === chosen));
  button.onclick = () => choose(place);
  return button;
});

/** Put other children into an element; who pressed a button of it by keyboard stays on the one in its place. */
const redraw = (parent, ...children) => {
  const place = [...parent.querySelectorAll("button")].indexOf(document.activeElement);
  parent.replaceChildren(...children);
  if (place >= 0) parent.querySelectorAll("button")[place]?.focus({ preventScroll: true });
};

/** A table; a column is [key of its title, what of a row it shows, whether that is a number]. */
const table = (caption, columns, rows) => {
  const head = columns.map(([title, , isNumber]) => element("th", { scope: "col", className: isNumber ? "number" : "" }, say(title)));
  const body = rows.map(row => element("tr", {}, ...columns.map(([, value, isNumber]) => element("td", { className: isNumber ? "number" : "" }, value(row)))));
  const made = element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const scroll = element("div", { className: "scroll", tabIndex: 0 }, made);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", `${say("as_table")}: ${caption}`);
  return scroll;
};
const interval = (row, level) => row[`lower_${level}`] == null ? "–" : `${asCount(row[`lower_${level}`])} – ${asCount(row[`upper_${level}`])}`;
/** A row of a forecast as the figures draw it. */
const foretold = (row, date) => ({ ...row, date: Date.parse(date), range_80: interval(row, 80), range_95: interval(row, 95) });
const forecastColumns = [["day", row => asDay(row.date)], ["searches", row => asCount(row.count), true], ["forecast", row => asCount(row.forecast), true], ["interval_80", row => row.range_80 ?? "–", true], ["interval_95", row => row.range_95 ?? "–", true]];
const folded = (title, ...content) => element("details", {}, element("summary", {}, title), ...content);

// Figures. Their colours are those of the style at any time: by day, by night, on paper.
const colour = name => `var(--${name})`;
const resolved = value => {
  if (Array.isArray(value)) return value.map(resolved);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item)]));
  if (typeof value !== "string") return value;
  return value[0] === "@" ? say(value.slice(1)) : value[0] === "$" ? colour(value.slice(1)) : value;
};
const theme = () => ({
  font: "system-ui, sans-serif",
  axis: {
    labelColor: colour("text"), titleColor: colour("soft"), gridColor: colour("line"), domainColor: colour("line"),
    tickColor: colour("line"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelOverlap: true, labelSeparation: 8,
  },
  axisY: { labelLimit: innerWidth < 600 ? 120 : 200 },
  view: { stroke: null },
});
// What is under the pointer, as text: Vega's own hints are markup.
const hint = document.body.appendChild(element("dl", { id: "hint", hidden: true, ariaHidden: "true" }));
const showHint = (_, event, item, values) => {
  const known = Object.entries(values ?? {}).filter(([, value]) => !["–", "undefined"].includes(value));
  hint.replaceChildren(...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, visible(value))]));
  hint.hidden = !known.length;
  if (hint.hidden) return; // there is no pointer where a figure goes
  hint.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - hint.offsetWidth - 4))}px`;
  hint.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - hint.offsetHeight - 4))}px`;
};
const finalizers = new Map();
/** Draw a figure into a new element; `description` is what a screen reader says of it, beside the table. */
const figure = (name, rows, description) => {
  const drawing = element("div", { ariaHidden: "true" }); // Vega gives this one a role and a label of its own
  const place = element("div", { className: "figure", id: name }, drawing);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", description);
  const dates = rows.map(row => row.date ?? row.made_on_date ?? 0);
  const isLong = Math.max(...dates) - Math.min(...dates) > 370 * 864e5;
  const text = JSON.stringify(specifications[name]).replaceAll("asDate", isLong ? "asMonth" : "asDate");
  const specification = { ...resolved(JSON.parse(text)), datasets: { [name]: rows } };
  // A mark for each of a few dates: Vega's own would be of hours, each with the words of its day.
  const few = [...new Set(dates)], isOfDates = axis => ["asDate", "asMonth"].includes(axis?.formatType);
  if (few.length < 8) specification.layer?.forEach(({ encoding }) => { if (isOfDates(encoding.x?.axis)) encoding.x.axis.values = { expr: `[${few}]` }; });
  // Vega warns of a layer of which no row has the value.
  const hasValue = channel => !channel?.field || rows.some(row => row[channel.field] != null);
  if (specification.layer) specification.layer = specification.layer.filter(({ encoding, transform }) => transform || (hasValue(encoding.x) && hasValue(encoding.y)));
  // A line of one day is none to see: a point is.
  specification.layer?.forEach(({ mark, encoding }) => {
    const days = new Set(rows.filter(row => row[encoding.y?.field] != null).map(row => row.date));
    if (mark.type === "line" && days.size === 1) mark.point ??= { filled: true, size: 60, ...(mark.color && { color: mark.color }) };
  });
  // A whole height, with room for the axis: Vega-Lite warns of steps where the width is that of the place.
  if (specification.height.step) specification.height = specification.height.step * rows.length + 48;
  const options = { mode: "vega-lite", actions: false, renderer: "svg", ast: true, expressionFunctions: formats, config: theme(), tooltip: showHint };
  // Once it is in the page: its width is that of its place.
  requestAnimationFrame(() => vegaEmbed(drawing, specification, options).then(drawn => {
    finalizers.get(name)?.();
    finalizers.set(name, drawn.finalize);
    place.dataset.drawn = "yes";
  }, console.error));
  return element("figure", {}, place);
};
const section = (eyebrow, title, ...content) => {
  const id = `${eyebrow}-title`;
  const made = element("section", { id: `${eyebrow}-section` }, paragraph(say(eyebrow), "eyebrow"), element("h2", { id }, title), ...content);
  made.setAttribute("aria-labelledby", id);
  return made;
};
