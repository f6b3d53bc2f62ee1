/* The page of `explore`: asks the server that it came from for what is chosen, and shows it by the means of drawing.js. */
const { range } = facts;
const given = new URLSearchParams(location.hash.slice(1));
const chosen = { term: given.getAll("term"), grain: given.get("grain") ?? "day", from: given.get("from") ?? "", to: given.get("to") ?? "", list: given.get("list") ?? "top" };
if (!chosen.term.length) chosen.term = ["(total)"];
const answers = { comparison: null, list: null, terms: null };

const query = (...names) => new URLSearchParams(names.flatMap(name => [chosen[name]].flat().filter(Boolean).map(value => [name, value]))).toString();
const period = ["grain", "from", "to"];
const tell = text => { $("status").textContent = text; };
const asking = {}, complaints = {};
const complain = (kind, text) => tell(complaints[kind] = text);
/** Get facts of the server; of several questions of a kind only the last one's answer counts. */
const ask = async (kind, parameters, draw) => {
  asking[kind]?.abort();
  const { signal } = asking[kind] = new AbortController();
  try {
    const response = await fetch(`api/${kind}?${parameters}`, { signal });
    const content = await response.json();
    if (!response.ok) return complain(kind, visible(content.error));
    answers[kind] = content;
    if ($("status").textContent === complaints[kind]) tell("");
    draw();
  } catch (error) {
    if (!signal.aborted) complain(kind, error instanceof TypeError ? say("no_answer") : String(error));
  }
};
const download = (kind, ...names) => element("a", { className: "download", href: `api/${kind}.csv?${query(...names)}`, download: `${kind}.csv` }, say("download"));
// What is compared is a term, or all searches by the name `(total)`; who searched for that text can only be listed.
const nameOf = term => term === "(total)" ? say("all_searches") : visible(term);
const quotedName = term => term === "(total)" ? nameOf(term) : quoted(term);
const termButton = term => {
  if (term === "(total)") return element("span", {}, term);
  const button = element("button", { type: "button", className: "term" }, element("bdi", {}, visible(term)));
  button.onclick = () => { add(term); $("comparison-title").scrollIntoView({ block: "nearest" }); };
  return button;
};

// Which terms.
const add = term => {
  if (chosen.term.includes(term)) return tell(say("is_there", { term: quotedName(term) }));
  if (chosen.term.length === 1 && chosen.term[0] === "(total)") chosen.term = [];
  if (chosen.term.length === facts.most_terms) return tell(say("full", { count: facts.most_terms }));
  chosen.term.push(term);
  $("term").value = "";
  forget();
  tell(say("showing", { term: quotedName(term) }));
  compare();
};
const remove = place => {
  tell(say("removed", { term: quotedName(chosen.term[place]) }));
  chosen.term.splice(place, 1);
  if (!chosen.term.length) chosen.term = ["(total)"];
  compare();
  $("term").focus();
};
const showFound = () => {
  const found = answers.terms ?? [];
  if (!found.length && $("found").contains(document.activeElement)) $("term").focus();
  $("found").replaceChildren(...found.map(row => {
    const button = termButton(row.term);
    button.append(element("span", { className: "note" }, ` ${asCount(row.search_count)}`));
    return element("li", {}, button);
  }));
  if (answers.terms) tell(found.length ? say("found", { count: asCount(found.length) }) : say("none_found", { part: visible($("term").value) }));
};
/** What was found, and what comes yet, is of a text that is gone. */
const forget = () => {
  asking.terms?.abort();
  answers.terms = null;
  showFound();
};
const look = () => !$("term").value.trim() ? forget() : ask("terms", new URLSearchParams({ part: $("term").value }), showFound);
let typing;
$("term").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(look, 80); });
$("search").addEventListener("submit", async event => {
  event.preventDefault();
  clearTimeout(typing);
  answers.terms = null; // those of another text
  await look();
  const first = answers.terms?.find(({ term }) => term !== "(total)");
  if ($("term").value && first) add(first.term);
});

// Their history, forecasts and trends.
const compare = () => {
  window.history.replaceState(null, "", `#${query("term", ...period, "list")}`);
  showChoices();
  return ask("comparison", query("term", ...period), showComparison);
};
const showChoices = () => {
  const isAlone = chosen.term.length === 1;
  $("chosen").replaceChildren(...chosen.term.map((term, place) => {
    const button = element("button", { type: "button", ariaLabel: say("remove", { term: quotedName(term) }) }, "×");
    button.onclick = () => remove(place);
    const item = element("li", {}, element("span", {}, element("bdi", {}, nameOf(term))), term === "(total)" && isAlone ? null : button);
    item.style.borderInlineStartColor = `var(--${isAlone ? "main" : `series${place + 1}`})`;
    return item;
  }));
  const grains = ["day", "week", "month"];
  redraw($("grains"), ...choice(grains.map(grain => say(`by_${grain}`)), grains.indexOf(chosen.grain), place => { chosen.grain = grains[place]; renew(); }));
  const spans = [["", ""], [range.first_date, range.last_date]];
  redraw($("spans"), ...choice([say("latest"), say("all_days")], spans.findIndex(([from, to]) => chosen.from === from && chosen.to === to), place => { [chosen.from, chosen.to] = spans[place]; renew(); }));
  for (const end of ["from", "to"]) Object.assign($(end), { value: chosen[end], min: range.first_date, max: range.last_date });
};
const figureRows = shown => {
  const { dates, terms } = answers.comparison;
  const common = { term: nameOf(shown.term), slot: terms.indexOf(shown) + 1 };
  const past = dates.map((date, place) => ({ ...common, date: Date.parse(date), count: shown.counts[place] }));
  return [...past, ...(shown.forecast?.rows ?? []).map(row => ({ ...common, ...foretold(row, row.target_date) }))];
};
const saidOfForecast = ({ term, forecast }, isAlone) => {
  if (!forecast) return say("no_forecast_of", { term: quotedName(term) });
  if (forecast.rows.length && !isAlone) return say("broken_lines");
  if (!forecast.rows.length) return say("forecast_by", { grain: say(`by_${forecast.grain}`).toLowerCase() });
  return say("forecast_of", { date: asDay(forecast.made_on_date), version: forecast.model_version, verdict: forecast.verdict ? say(forecast.verdict) : "–" });
};
const trendColumns = [
  ["term", row => element("bdi", {}, nameOf(row.term))], ["searches", row => asCount(row.search_count), true], ["share", row => asPercent(row.share_ratio), true],
  ["status", row => row.trend ? say(row.trend.status) : "–"], ["growth", row => asChange(row.trend?.growth_ratio), true],
  ["rank", row => asCount(row.trend?.rank), true], ["ranks_won", row => number(row.trend?.ranks_won, { signDisplay: "exceptZero" }), true], ["index", row => asCount(row.trend?.index_0_100), true],
  ["in_period_of", row => asDay(row.trend?.period_start_date)],
];
const showComparison = () => {
  const { dates, grain, terms, last_date } = answers.comparison, [only] = terms;
  const days = say(`${grain}s`, { count: dates.length });
  const title = !dates.length ? say("no_period", { grain: say(`by_${grain}`).toLowerCase() }) : terms.length > 1 ? say("compared", { count: terms.length, days }) : say("history_of", { term: quotedName(only.term), count: asCount(only.search_count), days });
  const rows = terms.flatMap(figureRows), hasForecast = terms.some(row => row.forecast?.rows.length);
  const marks = terms.length > 1 ? [] : [["main", say(`per_${grain}`)], ...(hasForecast ? [["dashed", say("forecast")], ["band", say("interval_80")], ["band faint", say("interval_95")]] : [])];
  const notes = [...new Set(facts.missing.includes("search_gold.term_forecasts") ? [] : terms.map(row => saidOfForecast(row, terms.length === 1)))].map(text => paragraph(text));
  const columns = terms.length > 1 ? [trendColumns[0], ...forecastColumns] : forecastColumns;
  $("comparison-title").textContent = title;
  $("comparison-figure").replaceChildren(
    dates.length ? paragraph(between(dates[0], last_date)) : "", key(...marks), dates.length ? figure(terms.length > 1 ? "comparison" : "history", rows, title) : "",
    ...notes,
    table(say("what_they_did"), trendColumns, terms), ...facts.missing.map(missing),
    folded(say("as_table"), table(title, columns, rows)), download("comparison", "term", ...period),
  );
};

// Lists to go on from.
const LISTS = ["top", "rising", "falling", "new", "lost", "breakouts"];
const listColumns = [["term", "term", row => termButton(row.term)], ["searches", "search_count", row => asCount(row.search_count), true], ["before", "previous_count", row => asCount(row.previous_count), true], ["expected_count", "expected_count", row => asCount(row.expected_count), true], ["share", "share_ratio", row => asPercent(row.share_ratio), true], ["growth", "growth_ratio", row => asChange(row.growth_ratio), true]];
const showList = () => {
  const rows = answers.list ?? [], start = rows[0]?.period_start_date;
  const when = start ? say(`${chosen.grain === "month" ? "month" : "week"}_of`, { date: chosen.grain === "month" ? utc(start, { month: "long", year: "numeric" }) : asDay(start) })
    : chosen.list === "top" ? between(chosen.from || range.first_date, chosen.to || range.last_date) : chosen.list === "breakouts" ? asDay(range.last_date) : "";
  const title = [say(`list_${chosen.list}`), when].filter(Boolean).join(", ");
  const columns = listColumns.filter(([, name]) => rows[0] && name in rows[0]).map(([key, , ...rest]) => [key, ...rest]);
  const lists = element("div", { role: "group" }, ...choice(LISTS.map(name => say(`list_${name}`)), LISTS.indexOf(chosen.list), place => { chosen.list = LISTS[place]; renew(); }));
  redraw($("sections"), section("lists", title, lists,
    answers.list ? rows.length ? table(title, columns, rows) : paragraph(say("none_listed")) : missing("search_gold.term_trends"), answers.list ? download("list", "list", ...period) : null));
};
let changing; // dates change with each digit that is typed, and often both do
const renew = () => { clearTimeout(changing); compare(); ask("list", query("list", ...period), showList); };

$("period").addEventListener("submit", event => event.preventDefault());
for (const end of ["from", "to"]) $(end).addEventListener("change", () => { chosen[end] = $(end).value; clearTimeout(changing); changing = setTimeout(renew, 300); });
window.addEventListener("hashchange", () => location.reload()); // another bookmark; what is chosen here makes no such event
let isAsked = false;
present(() => {
  $("summary").textContent = say("searches_in", { count: asCount(range.search_count), dates: between(range.first_date, range.last_date) });
  $("made").textContent = say("explored", { version: facts.version });
  $("spans").setAttribute("aria-label", say("span"));
  $("grains").setAttribute("aria-label", say("grain"));
  showFound();
  if (!isAsked) renew(); // what comes is drawn as it comes
  else { showChoices(); if (answers.comparison) showComparison(); if (answers.list) showList(); }
  isAsked = true;
});
