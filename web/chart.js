/* SPDX-License-Identifier: Apache-2.0
 *
 * The live chart: one child's history, drawn by dygraphs (dygraph.js, not ours).
 *
 * Plain script of the page's own server: the Content-Security-Policy allows no
 * other, nor style attributes in markup.  What the server sends becomes numbers and
 * text nodes, never markup.  Names, labels and colours stand in page.html and
 * style.css alone; they are read from the legend.
 *
 * The first request asks for all points of the child, the others only for those since
 * the last one.  Nothing is asked while the tab is hidden.
 */
'use strict';
(() => {
const section = document.getElementById('chart');
if (!section || typeof Dygraph === 'undefined') return;   // without either the page is complete as it is

const KEPT = 3000;          // points: both rings of a child at the server's defaults, and a while more
const LIST_EVERY = 10000;   // ms between looks at which children there are
const PATIENCE = 10000;     // ms until a request is given up
const at = id => document.getElementById('chart-' + id);
const childSelect = at('child'), spanSelect = at('span'), status = at('status');

// The legend says what is drawn.  The JSON's names lack the prefix, as everywhere outside of the metric table.
const cells = [...section.querySelectorAll('dd')];
const nameOf = cell => cell.dataset.key.replace(/^child_/, '');
const colourOf = cell => getComputedStyle(cell.previousElementSibling, '::before').backgroundColor;
// in the order of the charts; of the stack dygraphs puts the first on top
const series = ['scopes', 'process', 'rates'].map(name => cells.filter(c => c.closest('#chart-' + name)));
series[0].reverse();

let child = Number(location.hash.slice(1)) || Number(section.dataset.pid);
let turn = 0;   // one choice of a child; answers to older ones are dropped
let timer = 0, listed = 0, failures = 0;
let points = [], charts = null, hovered = null;
let following = true, ours = false;   // the last point; and: whoever draws is this script, not the user
let shown, heights = [];              // the span of time; the ranges of the charts of bytes, where the user chose them

const size = bytes => {   // as pst_format_size() prints it
    if (bytes < 1024) return Math.round(bytes) + ' B';
    let unit = -1;
    do { bytes /= 1024; unit++; } while (bytes >= 1023.5 && unit < 5);
    return bytes.toFixed(bytes < 99.95 ? 1 : 0) + ' ' + ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'][unit];
};
const clock = seconds => new Date(seconds * 1000).toTimeString().slice(0, 8);
const say = text => { if (status.textContent !== text) status.textContent = text; };

// ---- asking ----

async function ask(query) {
    const answer = await fetch(section.dataset.base + 'history' + query,
        { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    if (answer.ok) return answer.json();
    const error = new Error((await answer.text()).trim().slice(0, 300) || 'The server answered ' + answer.status + '.');
    error.gone = answer.status === 404;   // said by the module: no such history
    throw error;
}

async function list() {
    const { histories } = await ask('');
    const want = histories.sort((a, b) => b.alive - a.alive || a.pid - b.pid)
        .map(h => [h.pid, h.pid + (h.alive ? '' : ' · ended: ' + h.ended_how)]);
    listed = Date.now();
    if (!child && want.length) child = want[0][0];
    if (!want.some(w => w[0] === child)) want.unshift([child, child + ' · no history']);
    const now = [...childSelect.options].map(o => o.text).join('\n');
    if (now !== want.map(w => w[1]).join('\n')) {   // an open list is not pulled away for nothing
        childSelect.replaceChildren(...want.map(([pid, text]) => new Option(text, pid, false, pid === child)));
    }
    childSelect.value = child;
}

// Coarse points reach further back; where both rings have a time the fine ones say more.
function add({ fine, coarse }) {
    const first = fine.length ? fine[0].time : Infinity;
    for (const p of [...coarse.filter(c => c.time < first), ...fine]) {
        const before = points[points.length - 1];
        if (before && p.time <= before.time) continue;
        p.requests_per_second = before
            ? Math.max(0, p.requests_finished - before.requests_finished) / (p.time - before.time) : null;
        points.push(p);
    }
    points.splice(0, points.length - KEPT);
}

async function tick() {
    const mine = turn;
    let wait = LIST_EVERY;
    clearTimeout(timer);
    if (document.hidden) return;
    try {
        if (Date.now() - listed >= LIST_EVERY) await list();
        if (mine !== turn) return;
        const last = points[points.length - 1];
        const history = await ask('?pid=' + child + (last ? '&since=' + last.time : ''));
        if (mine !== turn) return;
        add(history);
        failures = 0;
        draw();
        say(!points.length ? 'No point yet.' : history.alive ? ''
            : 'Ended at ' + clock(history.ended) + ': ' + history.ended_how + '.');
        if (history.alive) wait = history.interval_seconds * 1000;
    } catch (error) {
        if (mine !== turn) return;
        say(error.gone ? error.message : 'No figures now, trying again: ' + error.message);
        if (!error.gone) wait = Math.min(1000 * 2 ** failures++, 30000);
    }
    clearTimeout(timer);
    timer = setTimeout(tick, wait);
}

function choose(pid) {
    child = pid;
    turn++;
    points = [];
    hovered = null;
    history.replaceState(null, '', '#' + pid);   // so that a reload, or ?refresh=, stays with this child
    following = true;
    if (charts) draw();
    tick();
}

// ---- drawing ----

function show() {   // figures of the point under the pointer, else of the last
    const p = points[hovered ?? points.length - 1];
    at('when').textContent = p ? clock(p.time) : '';
    for (const cell of cells) {
        const value = p?.[nameOf(cell)];
        cell.textContent = value === null || value === undefined ? '–'
            : cell.dataset.key.endsWith('_bytes') ? size(value) : value.toFixed(+cell.dataset.key.endsWith('_second'));
    }
}

const rowsOf = series => points.length
    ? points.map(p => [new Date(p.time * 1000), ...series.map(c => p[nameOf(c)] ?? 0)])
    : [[new Date(), ...series.map(() => null)]];

function look() {
    const css = getComputedStyle(section);
    return { axisLineColor: css.getPropertyValue('--line'), gridLineColor: css.getPropertyValue('--line') };
}

function windowNow() {
    const end = points.length ? points[points.length - 1].time * 1000 : Date.now();
    // no empty space before the child's first point
    const begin = points.length ? Math.min(points[0].time * 1000, end - 60000) : 0;
    return [Math.max(begin, end - 1000 * spanSelect.value), end];
}

function update(options) {   // ours: the callbacks below are not the user's doing
    if (following) { shown = windowNow(); heights = []; }
    ours = true;
    charts?.forEach((chart, i) => chart.updateOptions({
        ...options(i), dateWindow: shown, ...(i < 2 ? { axes: { y: { valueRange: heights[i] ?? null } } } : {})
    }));
    ours = false;
}

function follow() { following = true; update(() => ({})); }

function moved(chart) {   // by the user: stay there, all charts
    following = false;
    shown = chart.xAxisRange();
    ours = true;
    charts.filter(c => c !== chart).forEach(c => c.updateOptions({ dateWindow: shown }));
    ours = false;
}

function make(element, series, more) {
    const others = () => charts.filter(c => c !== chart);
    const chart = new Dygraph(element, rowsOf(series), {
        labels: ['time', ...series.map(c => c.dataset.key)], colors: series.map(colourOf), ...look(),
        dateWindow: shown, legend: 'never', strokeWidth: 1.5, highlightCircleSize: 2.5, axisLabelFontSize: 11,
        interactionModel: { ...Dygraph.defaultInteractionModel, dblclick: follow },
        highlightCallback: (event, x, at, row) => { hovered = row; show(); others().forEach(c => c.setSelection(row)); },
        unhighlightCallback: () => { hovered = null; show(); others().forEach(c => c.clearSelection()); },
        zoomCallback: (from, to, ranges) => { heights[charts.indexOf(chart)] = ranges[0]; moved(chart); },
        drawCallback: drawn => {   // a drag with shift has no callback of its own; a resize is no move
            if (!ours && charts && drawn.xAxisRange().some((x, i) => x !== shown[i])) moved(drawn);
        },
        ...more
    });
    return chart;
}

function draw() {
    show();
    if (charts) return update(i => ({ file: rowsOf(series[i]) }));
    shown = windowNow();
    ours = true;
    const right = { axisLabelWidth: 46, pixelsPerLabel: 24, independentTicks: true, drawGrid: false,
        includeZero: true };
    const bytes = { labelsKMG2: true, includeZero: true, rightGap: 57,   // as wide as the last one's scale on the right
        axes: { y: { axisLabelWidth: 58, axisLabelFormatter: size, pixelsPerLabel: 32 } } };
    charts = [
        make(at('memory'), series[0], { ...bytes, stackedGraph: true, fillAlpha: .7 }),
        make(at('lines'), series[1], bytes),
        make(at('rate'), series[2], { includeZero: true,
            series: { [series[2][1].dataset.key]: { axis: 'y2', fillGraph: true, fillAlpha: .2 } },
            axes: { y: { axisLabelWidth: 58, pixelsPerLabel: 24 }, y2: right } })
    ];
    ours = false;
}

// ---- start ----

// Two plugins that the policy would stop: the legend sets style attributes (we have our own), the range selector
// has an image in a data: URL.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter(p => p !== Dygraph.Plugins.Legend && p !== Dygraph.Plugins.RangeSelector);

section.hidden = false;   // before dygraphs measures it, and to say what is wrong
childSelect.addEventListener('change', () => choose(Number(childSelect.value)));
spanSelect.addEventListener('change', follow);
document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(timer) : tick());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change',
    () => update(i => ({ colors: series[i].map(colourOf), ...look() })));
tick();
})();
