/* The report: fills page.html from the facts embedded in it, with the means of drawing.js. */
const { history, range, period } = facts;
const forecasts = new Map(Object.entries(history.forecasts?.terms ?? {})); // "constructor" is a term like any other
const verdicts = new Map(Object.entries(facts.models?.verdict_of ?? {}));
const shown = { term: 0, span: "recent", grain: 0 };

// The first place is that of all searches. A series is called by its term, `(total)` or `(other)`; people search for these two as well.
const others = { "(total)": "all_searches", "(other)": "other_terms" };
const isTerm = series => !Object.hasOwn(others, series);
const seriesOf = place => !place || isTerm(history.terms[place]) ? history.terms[place] : null;
const nameOf = place => place ? visible(history.terms[place]) : say("all_searches");
const quotedName = place => place ? quoted(history.terms[place]) : say("all_searches");

const termButton = term => buttonTo(history.terms.indexOf(term, 1), visible(term));
const seriesButton = series => isTerm(series) ? termButton(series) : buttonTo(series === "(total)" ? 0 : -1, say(others[series]));
const buttonTo = (place, name) => {
  if (place < 0) return name;
  const button = element("button", { type: "button", className: "term" }, element("bdi", {}, name));
  button.onclick = () => { fill(place); showTerm(place); $("term").focus(); $("history-title").scrollIntoView(); };
  return button;
};

const headlines = () => {
  const compared = period.previous_first_date !== null;
  const change = (now, before) => !compared ? say("nothing_before") : before ? say("change", { change: asChange(now / before - 1), days: period.day_count }) : say("none_before", { days: period.day_count });
  const points = compared ? number((period.top_ten_ratio - period.previous_top_ten_ratio) * 100, { maximumFractionDigits: 1, signDisplay: "exceptZero" }) : "";
  const card = (label, value, note) => element("div", {}, element("dt", {}, label), element("dd", {}, element("strong", {}, value), element("span", { className: "note" }, note)));
  const cards = [
    card(say("searches_of", { days: period.day_count }), asCount(period.search_count), change(period.search_count, period.previous_count)),
    card(say("distinct_terms"), asCount(period.term_count), change(period.term_count, period.previous_term_count)),
    card(say("top_ten"), asPercent(period.top_ten_ratio), compared && period.top_ten_ratio && period.previous_top_ten_ratio ? say("points", { points, days: period.day_count }) : say("nothing_before")),
  ];
  const expected = history.forecasts?.expected;
  if (expected) cards.push(card(say("expected", { days: expected.day_count }), asCount(expected.forecast), expected.previous_count ? say("against_last", { change: asChange(expected.forecast / expected.previous_count - 1), days: expected.day_count }) : say("none_before", { days: expected.day_count })));
  return element("dl", { className: "cards" }, ...cards);
};

const top = () => {
  if (!period.top.length) return section("top_terms", say("no_searches", { days: period.day_count }));
  const [leader] = period.top;
  const days = period.day_count, dates = between(period.first_date, period.last_date);
  const rows = period.top.map(row => ({ ...row, term: visible(row.term) }));
  const title = say("leads", { term: quoted(leader.term), share: asPercent(leader.share_ratio), days });
  const columns = [["term", row => termButton(row.term)], ["searches", row => asCount(row.search_count), true], ["before", row => asCount(row.previous_count), true], ["share", row => asPercent(row.share_ratio), true]];
  const marks = period.previous_first_date ? key(["main bar", dates], ["mark", say("days_before", { days })]) : key(["main bar", dates]);
  return section("top_terms", title, marks, figure("top", rows, title), folded(say("as_table"), table(title, columns, period.top)));
};

const breakouts = () => {
  const date = asDay(range.last_date), rows = facts.breakouts;
  if (!rows.length) return [paragraph(say("no_breakouts", { date }))];
  const title = say("breaking_out", { date });
  const columns = [["term", row => termButton(row.term)], ["searches", row => asCount(row.search_count), true], ["expected_count", row => asCount(row.expected_count), true]];
  return [element("h3", {}, title), table(title, columns, rows)];
};

const trends = () => {
  if (!facts.trends?.length) return section("rising_and_falling", say("unknown"), missing("search_gold.term_trends"), ...breakouts());
  const found = facts.trends[shown.grain], { rising = 0, falling = 0, new: fresh = 0, lost = 0 } = found.counts;
  const when = say(`${found.grain}_of`, { date: found.grain === "month" ? utc(found.period_start_date, { month: "long", year: "numeric" }) : asDay(found.period_start_date) });
  const title = rising + falling ? say("trends_found", { rising: asCount(rising), falling: asCount(falling), when }) : say("no_trends", { when });
  const moving = found.terms.filter(row => row.growth_ratio !== null && ["rising", "falling"].includes(row.status)).sort((a, b) => b.growth_ratio - a.growth_ratio);
  const grains = element("div", { role: "group" }, ...choice(facts.trends.map(({ grain }) => say(grain)), shown.grain, place => { shown.grain = place; render(); }));
  const columns = [["term", row => termButton(row.term)], ["status", row => say(row.status)], ["searches", row => asCount(row.search_count), true], ["before", row => asCount(row.previous_count), true], ["growth", row => asChange(row.growth_ratio), true], ["p_value", row => number(row.p_value, { maximumSignificantDigits: 2 }), true]];
  return section("rising_and_falling", title, facts.trends.length > 1 ? grains : null,
    moving.length ? figure("trends", moving.map(row => ({ ...row, term: visible(row.term) })), title) : null,
    paragraph(say("trends_note", { fresh: asCount(fresh), lost: asCount(lost) })),
    found.terms.length ? folded(say("as_table"), table(title, columns, found.terms)) : null,
    ...breakouts());
};

const weekdays = () => {
  const mean = facts.weekdays.reduce((sum, day) => sum + day.search_count, 0) / facts.weekdays.length;
  const rows = facts.weekdays.map(day => ({ ...day, mean, ...Object.fromEntries(["short", "long"].map(weekday => [weekday, utc(Date.UTC(2024, 0, day.weekday), { weekday })])) }));
  const sorted = [...rows].sort((a, b) => b.search_count - a.search_count), first = sorted[0], last = sorted.at(-1);
  const isFlat = first.search_count <= last.search_count * 1.05, isKnown = rows.length === 7 && rows.every(row => row.day_count > 1);
  const title = !isKnown ? say("weekdays_few") : isFlat ? say("weekdays_alike") : say("busiest", { first: first.long, more: asChange(first.search_count / mean - 1), last: last.long, less: asChange(last.search_count / mean - 1) });
  const columns = [["weekday", row => row.long], ["searches_a_day", row => asCount(row.search_count), true], ["days_title", row => asCount(row.day_count), true]];
  return section("weekdays", title, key(["main bar", say("searches_a_day")], ["rule", say("mean")]), figure("weekdays", rows, title), folded(say("as_table"), table(title, columns, rows)));
};

const quality = () => {
  const batches = facts.batches, content = [];
  let title = say("unknown");
  if (batches) {
    const values = Object.fromEntries(Object.entries(batches).map(([name, value]) => [name, asCount(value)]));
    const isWhole = batches.reconciled_count === batches.batch_count;
    title = isWhole ? say("reconciled", values) : say("not_reconciled", { ...values, wrong: asCount(batches.batch_count - batches.reconciled_count) });
    content.push(paragraph(say("reconciliation", values)));
  } else content.push(missing("search_gold.batches"));
  if (facts.rejected === null) content.push(missing("search_silver.rejected_records"));
  else if (facts.rejected.length) {
    const rows = facts.rejected.map(row => ({ ...row, term: say(row.reason) }));
    const columns = [["reason", row => row.term], ["records", row => asCount(row.record_count), true]];
    content.push(figure("rejected", rows, say("rejected_note")), paragraph(say("rejected_note")), folded(say("as_table"), table(say("rejected_note"), columns, rows)));
  } else content.push(paragraph(say("none_rejected")));
  if (batches) content.push(folded(say("batches"), table(say("latest_batches"), [["batch", row => row.batch_id], ["started", row => moment(row.started_at, { dateStyle: "medium", timeStyle: "short" })], ["delivered", row => asCount(row.delivered_count), true], ["events", row => asCount(row.event_count), true], ["rejected_title", row => asCount(row.rejected_count), true], ["is_reconciled", row => say(row.reconciled ? "yes" : "no")]], batches.latest)));
  if (facts.deliveries) content.push(folded(say("deliveries"), table(say("deliveries"), [["status", row => say(row.status)], ["files", row => asCount(row.delivery_count), true], ["records", row => asCount(row.record_count), true]], facts.deliveries)));
  return section("quality", title, ...content);
};

const models = () => {
  const found = facts.models;
  if (!found) return section("models", say("unknown"), missing("search_gold.backtest_metrics"));
  const wape = name => found.candidates.find(row => row.candidate === name)?.wape;
  const ours = wape("selection"), mean = wape("historic_mean"), version = found.version;
  const skill = ours == null || !mean ? null : 1 - ours / mean;
  const values = { version, skill: asPercent(Math.abs(skill)), ours: asPercent(ours) };
  const title = skill === null ? say("not_measured", values) : Math.abs(skill) < 0.005 ? say("as_the_mean", values) : say(skill > 0 ? "better_than_mean" : "worse_than_mean", values);
  const floor = found.candidates.find(row => row.candidate === "selection")?.poisson_floor_wape;
  const rows = found.candidates.map(row => ({ ...row, floor, term: say(row.candidate), is_ours: row.candidate === "selection" }));
  const total = Object.values(found.verdicts).reduce((sum, count) => sum + count, 0);
  const measures = [["wape", row => asPercent(row.wape), true], ["mase", row => number(row.mase, { maximumFractionDigits: 3 }), true], ["coverage", row => asPercent(row.interval_coverage), true]];
  return section("models", title,
    key(["forecast bar", say("ours")], ["main bar", say("others")], ["rule", say("chance")]),
    figure("methods", rows, title),
    paragraph(say("verdicts", { count: asCount(found.verdicts.forecastable ?? 0), total: asCount(total) })),
    folded(say("methods_table"), table(title, [["method", row => row.term], ...measures], rows)),
    folded(say("terms_table"), table(say("terms_table"), [["term", row => seriesButton(row.term)], ["verdict", row => say(row.verdict)], ["wape", row => asPercent(row.wape), true], ["mean", row => asPercent(row.mean_wape), true], ["chance", row => asPercent(row.poisson_floor_wape), true]], found.terms)),
    folded(say("versions_table"), table(say("versions_table"), [["version", row => String(row.model_version)], ["method", row => say(row.candidate)], ...measures], found.versions)));
};

const accuracy = () => {
  if (!facts.accuracy?.length) return section("accuracy", say(history.forecasts ? "not_come" : "unknown"), missing("search_gold.forecast_accuracy"));
  const [latest] = facts.accuracy;
  const title = say("erred", { date: asDay(latest.made_on_date), ours: asPercent(latest.wape), mean: asPercent(latest.mean_wape) });
  const columns = [["made_on", row => asDay(row.made_on_date)], ["version", row => String(row.model_version)], ["ours", row => asPercent(row.wape), true], ["mean", row => asPercent(row.mean_wape), true], ["coverage", row => asPercent(row.interval_coverage), true]];
  return section("accuracy", title, key(["forecast", say("ours")], ["main dashed", say("mean")]), figure("accuracy", facts.accuracy.map(row => ({ ...row, made_on_date: Date.parse(row.made_on_date) })), title), folded(say("as_table"), table(title, columns, facts.accuracy)));
};

const tables = () => {
  const columns = [["table", row => element("code", {}, ...row.table.split(/(?<=[._])/).flatMap(part => [part, element("wbr", {})]))], ["delta_version", row => String(row.version), true], ["rows", row => asCount(row.row_count), true]];
  return section("sources", say("made_from", { count: facts.tables.length }), table(say("sources"), columns, facts.tables));
};

// Any term's history.
const historyRows = () => {
  const series = history[shown.span];
  const rows = series.dates.map((date, place) => ({ date: Date.parse(date), count: series.counts[shown.term][place] }));
  const isForecast = history.forecasts && history.forecasts.period_days === { day: 1, week: 7 }[series.grain];
  const found = isForecast ? forecasts.get(seriesOf(shown.term)) ?? [] : [];
  return { rows, ahead: found.map(row => foretold(row, row.date)), grain: series.grain };
};
const drawHistory = () => {
  const { rows, ahead, grain } = historyRows(), term = quotedName(shown.term);
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  const title = rows.length ? say("history_of", { term, count: asCount(count), days: say(`${grain}s`, { count: rows.length }) }) : say("no_history", { term });
  $("history-title").textContent = title;
  const verdict = verdicts.get(seriesOf(shown.term));
  const said = ahead.length ? say("forecast_of", { date: asDay(history.forecasts.made_on_date), version: history.forecasts.model_version, verdict: verdict ? say(verdict) : "–" })
    : !history.forecasts ? null : say(shown.span === "recent" ? "no_forecast" : "forecast_elsewhere");
  const all = [...rows, ...ahead];
  const marks = [["main", say(`per_${grain}`)], ...(ahead.length ? [["dashed", say("forecast")], ["band", say("interval_80")], ["band faint", say("interval_95")]] : [])];
  redraw($("spans"), ...(history.long ? choice(["recent", "long"].map(span => say(`span_${span}_${history[span].grain}`, { count: history[span].dates.length })), shown.span === "recent" ? 0 : 1, place => { shown.span = ["recent", "long"][place]; drawHistory(); }) : []));
  $("history-figure").replaceChildren(key(...marks), figure("history", all, title), said ? paragraph(said) : history.forecasts ? "" : missing("search_gold.term_forecasts"),
    range.incomplete_dates.length ? paragraph(say("incomplete", { dates: range.incomplete_dates.map(asDay).join(", ") })) : "", folded(say("as_table"), table(title, forecastColumns, all)));
};
const showTerm = place => {
  $("status").textContent = say("showing", { term: quotedName(place) });
  if (place === shown.term) return;
  shown.term = place;
  drawHistory();
};
const fill = place => { $("term").value = place ? nameOf(place) : ""; };
const foldedCase = lower => lower === "ς" ? "σ" : lower.toUpperCase().length > lower.length ? lower.toUpperCase().toLowerCase() : lower;
/** A text as terms are written: what lakehouse/normalisation.py does, whose case folding JavaScript has no word for. */
const normal = text => [...text.replace(/[\p{White_Space}\x1c-\x1f]/gu, " ").replace(/[\p{Cc}\p{Cf}]/gu, "").normalize("NFKC")].map(c => foldedCase(c.toLowerCase())).join("").normalize("NFKC").replace(/ +/g, " ").trim();
let names = null; // by which terms are found, in the language of the page
const find = isFinal => {
  const sought = normal($("term").value);
  names ??= history.terms.map((_, place) => normal(nameOf(place)));
  let place = sought ? names.indexOf(sought) : isFinal ? 0 : -1;
  if (place < 0 && isFinal) place = names.findIndex(name => name.includes(sought));
  if (place >= 0 && isFinal) fill(place); // not while one types: another term may begin so
  if (place >= 0) showTerm(place);
  else if (isFinal) $("status").textContent = say("not_found", { term: quoted($("term").value), count: asCount(history.terms.length - 1) });
};

const render = () => {
  names = null;
  $("summary").textContent = say("summary", { count: asCount(range.search_count), terms: asCount(range.term_count), dates: between(range.first_date, range.last_date) });
  $("spans").setAttribute("aria-label", say("span"));
  $("terms").replaceChildren(...history.terms.map((_, place) => element("option", { value: nameOf(place) })));
  $("headlines").replaceChildren(headlines());
  drawHistory();
  const sections = [top, trends, weekdays, quality, models, accuracy, tables].map(make => make());
  redraw($("sections"), ...sections);
  $("made").textContent = say("made", { at: moment(facts.made_at, { dateStyle: "long", timeStyle: "long" }), version: facts.version });
};

$("search").addEventListener("submit", event => { event.preventDefault(); find(true); });
$("term").addEventListener("input", () => find(false));
present(render);
