(function () {
  'use strict';
  const data = JSON.parse(document.getElementById('data').textContent);
  const rows = data.summary.rows;
  const metricName = data.summary.metric || 'metric';
  // Okabe and Ito's colours, told apart with every kind of colour vision.
  const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8A6D3B', '#7A5BA8'];
  const STYLES = ['circle', 'rect', 'triangle', 'rectRot', 'star', 'cross', 'crossRot', 'dash'];
  const $ = (id) => document.getElementById(id);

  function el(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      // Addresses come from plugins: a link leads to a page or is none.
      if (key === 'href' && !/^(https?:\/\/|#)/i.test(value)) continue;
      if (key === 'class') node.className = value;
      else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? '' : value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) node.append(child);
    }
    return node;
  }

  function brief(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return '–';
    const units = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
    let v = value;
    let u = 0;
    while (Math.abs(v) >= 1000 && u < units.length - 1) { v /= 1000; u++; }
    const text = Math.abs(v) >= 100 || (u === 0 && Number.isInteger(v)) ? v.toFixed(0) : v.toPrecision(3);
    return units[u] ? text + ' ' + units[u] : text;
  }
  const flops = (value) => brief(value) + (Math.abs(value) >= 1000 ? 'FLOPs' : ' FLOPs');
  const fixed = (value, digits) => (typeof value === 'number' ? value.toFixed(digits) : '–');

  // ---- theme -------------------------------------------------------------------------------
  const root = document.documentElement;
  const charts = [];
  function setTheme(dark) {
    root.dataset.theme = dark ? 'dark' : 'light';
    $('theme').setAttribute('aria-pressed', String(dark));
    $('theme').textContent = dark ? 'Light' : 'Dark';
    drawCharts();
  }
  $('theme').addEventListener('click', () => setTheme(root.dataset.theme !== 'dark'));

  // ---- overview ----------------------------------------------------------------------------
  function fact(value, label) {
    return el('div', { class: 'fact' }, el('b', {}, String(value)), el('span', {}, label));
  }
  const plan = data.plan;
  const failures = data.failures;
  $('facts').append(
    fact(data.total, 'searches' + (data.total < plan.cells ? ' of ' + plan.cells + ' planned' : '')),
    fact(plan.prompts, 'prompts'),
    fact(plan.seeds, plan.seeds === 1 ? 'seed' : 'seeds'),
    fact(data.failed, data.failed === 1 ? 'failure' : 'failures'),
    fact(plan.unit === 'flops' ? flops(plan.oneSample) : brief(plan.oneSample) + ' ' + plan.unit, '1x: one verified sample of the cheapest model'),
    fact(String(data.run.configSha256 || '').slice(0, 8), 'configuration, SHA-256'));
  const independence = {
    independent: 'The search verifier and the metric are independent of each other.',
    'same-metric': 'Same metric: the search verifier measures what the evaluator measures, so these gains are not evidence of better images.',
    oracle: 'Oracle: the searches were driven by the evaluator itself. Read these figures as an upper bound.',
    none: 'No evaluator: only the search verifier’s own scores are shown.',
  }[plan.independence] || '';
  const judge = plan.verifiers.search || {};
  $('protocol').textContent =
    'Driven by ' + judge.id + (data.summary.metric ? ', judged by ' + metricName : '') +
    '. Budgets in ' + plan.unit + '; every search draws the same keyed noise, so arms are compared pairwise on common random numbers. ' + independence;
  const others = plan.arms.flatMap((arm) => (arm.evaluators || []).map((relation, i) => ({ arm: arm.name, relation, id: ((plan.verifiers.evaluate || [])[i] || {}).id })));
  for (const [relation, words] of Object.entries({ oracle: 'is the very verifier that drove the searches of', 'same-metric': 'measures what the search verifier measures in', 'same-family': 'is of one family with the search verifier of', 'shared-data': 'shares training data with the search verifier of' })) {
    const byEvaluator = new Map();
    for (const o of others) if (o.relation === relation) byEvaluator.set(o.id, [...(byEvaluator.get(o.id) || []), o.arm]);
    for (const [evaluator, arms] of byEvaluator) $('notes').append(el('li', {}, 'The evaluator ' + evaluator + ' ' + words + ' ' + arms.join(', ') + ': read these figures with that in mind.'));
  }
  const none = rows.filter((r) => r.reference === 'independent samples only');
  if (none.length > 0) {
    $('notes').append(el('li', {}, 'No search took place in ' + none.map((r) => r.arm + ' / ' + r.model + ' @ ' + r.level).join(', ') + ': the budget sufficed for independent samples only, so these rows are best-of-n.'));
  }
  if ((data.jobs || []).some((n) => n > 1)) {
    $('notes').append(el('li', {}, 'Cells ran ' + data.jobs.join(' and ') + ' at a time: seconds are those of a search by itself, without waiting, but not undisturbed by the others.'));
  }
  for (const note of data.notes) $('notes').append(el('li', {}, note));
  if (data.total < plan.cells) {
    $('notes').append(el('li', {}, 'The run is not complete: ' + (plan.cells - data.total) + ' searches are missing.'));
  }

  // ---- tables ------------------------------------------------------------------------------
  function interval(i, digits) {
    if (!i) return el('td', {}, '–');
    if (i.low === null) return el('td', {}, fixed(i.mean, digits), el('small', { title: 'one prompt has no interval' }, '[–]'));
    return el('td', {}, fixed(i.mean, digits), el('small', {}, '[' + fixed(i.low, digits) + ', ' + fixed(i.high, digits) + ']'));
  }
  const one = (v) => fixed(v, 1);
  const percent = (v) => (100 * v).toFixed(v < 0.1 ? 1 : 0) + ' %';
  const mean = (r, name) => (r.spends[name] || { mean: 0 }).mean;
  // A mean is never shown without what it may be off by.
  function spend(r, name, form, ...more) {
    const i = r.spends[name];
    if (!i) return el('td', {}, '–');
    if (i.low === null) return el('td', {}, form(i.mean), ...more);
    return el('td', {}, form(i.mean), el('small', { title: '95 % interval' }, '± ' + form((i.high - i.low) / 2)), ...more);
  }
  function head(...names) {
    return el('thead', {}, el('tr', {}, names.map((n, i) => el('th', { scope: 'col', class: i < 2 ? 'l' : null }, n))));
  }
  const levels = [...new Set(rows.map((r) => r.level))];
  const severalVerifiers = new Set(rows.map((r) => r.verifier)).size > 1;
  for (const level of levels) {
    const body = el('tbody');
    for (const r of rows.filter((x) => x.level === level)) {
      body.append(el('tr', {},
        el('th', { scope: 'row' }, r.arm, r.reference ? el('small', {}, r.reference) : null), el('td', { class: 'l' }, r.model),
        severalVerifiers ? el('td', {}, r.verifier || '–') : null,
        interval(r.metric, 3), interval(r.score, 3),
        spend(r, 'nfe', one), spend(r, 'flops', brief), spend(r, 'decodes', one), spend(r, 'verifierCalls', one, r.failedVerdicts ? el('small', { class: 'wrong', title: 'verdicts of all searches that were failures' }, r.failedVerdicts + ' failed') : null),
        spend(r, 'seconds', (v) => fixed(v, 3), el('small', {}, 'engine ' + percent(r.engineShare))),
        spend(r, 'utilisation', percent, el('span', { class: 'bargraph', style: 'width:' + Math.min(100, 100 * mean(r, 'utilisation')) + '%' })),
        el('td', {}, (r.failed + r.evaluationFailed) + '/' + r.cells)));
    }
    $('tables').append(el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Results at ' + level },
      el('table', {}, el('caption', {}, el('span', {}, data.headings[level])),
        head('arm', 'model', ...(severalVerifiers ? ['verifier'] : []), metricName, 'verifier score', 'nfe', 'FLOPs', 'images', 'calls', 'seconds', 'used', 'failed'), body)));
  }
  const comparisons = data.summary.comparisons;
  if (comparisons.length === 0) {
    $('comparisons').append(el('p', { class: 'hint' }, 'There is nothing to compare with.'));
  } else {
    const wanted = { measure: comparisons[0].measure, level: comparisons[comparisons.length - 1].level };
    const list = () => {
      const body = el('tbody');
      for (const c of comparisons.filter((x) => x.measure === wanted.measure && (!wanted.level || x.level === wanted.level))) {
        const d = c.difference;
        const cls = d.low === null ? null : d.low > 0 ? 'up' : d.high < 0 ? 'down' : null;
        body.append(el('tr', {},
          el('th', { scope: 'row' }, c.series), el('td', { class: 'l' }, c.baseline), el('td', {}, c.level),
          el('td', { class: cls }, (d.mean >= 0 ? '+' : '') + fixed(d.mean, 3), el('small', {}, '[' + fixed(d.low, 3) + ', ' + fixed(d.high, 3) + ']')),
          el('td', {}, c.wins + ' / ' + c.ties + ' / ' + c.losses),
          el('td', {}, c.adjusted < 0.001 ? '< 0.001' : fixed(c.adjusted, 3)),
          el('td', {}, c.equalCompute ? 'yes' : 'no')));
      }
      $('comparisons').replaceChildren(el('table', {}, head('arm', 'baseline', 'level', 'difference', 'win / tie / loss', 'p, corrected', 'equal compute'), body));
    };
    const choose = (key, label, options) => {
      const names = Object.entries(options);
      if (names.length < 2) return null;
      const select = el('select', { onchange: (e) => { wanted[key] = e.target.value; list(); } }, names.map(([value, text]) => el('option', { value, selected: wanted[key] === value }, text)));
      return el('label', {}, label, select);
    };
    const measures = {}, at = {};
    for (const c of comparisons) {
      measures[c.measure] = c.measure === 'metric' ? metricName : 'verifier score';
      at[c.level] = c.level;
    }
    $('comparisons').before(el('div', { class: 'controls' }, choose('measure', 'Measure', measures), choose('level', 'Level', { ...at, '': 'all' })));
    list();
  }

  // ---- charts ------------------------------------------------------------------------------
  const series = [...new Set(rows.map((r) => r.arm + ' / ' + r.model))];
  const colour = (name) => COLOURS[series.indexOf(name) % COLOURS.length];
  const hasMetric = rows.some((r) => r.metric);
  const state = { measure: hasMetric ? 'metric' : 'score', axis: 'flops' };
  const MEASURES = hasMetric ? { metric: metricName, score: 'verifier score' } : { score: 'verifier score' };
  const hasGap = rows.some((r) => r.gap);
  if (hasGap) MEASURES.gap = 'gap';
  const of = (r) => (state.measure === 'gap' ? r.gap && r.gap.difference : r[state.measure]);
  const AXES = { flops: 'FLOPs', nfe: 'nfe', verifierCalls: 'verifier calls', seconds: 'seconds' };
  function choices(id, options) {
    for (const [key, label] of Object.entries(options)) {
      const input = el('input', { type: 'radio', name: id, value: key, checked: state[id] === key, onchange: () => { state[id] = key; drawCharts(); } });
      $(id).append(el('label', {}, input, el('span', {}, label)));
    }
  }
  choices('measure', MEASURES);
  choices('axis', AXES);
  for (const name of series) $('legend').append(el('span', {}, el('i', { style: 'background:' + colour(name) }), name));

  const errorBars = {
    id: 'errorBars',
    afterDatasetsDraw(chart) {
      const ctx = chart.ctx;
      chart.data.datasets.forEach((dataset, index) => {
        if (!dataset.bars) return;
        chart.getDatasetMeta(index).data.forEach((point, i) => {
          const bar = dataset.data[i];
          if (typeof bar.high !== 'number') return;
          const top = chart.scales.y.getPixelForValue(bar.high);
          const bottom = chart.scales.y.getPixelForValue(bar.low);
          ctx.save();
          ctx.strokeStyle = dataset.borderColor;
          ctx.lineWidth = 1.5;
          ctx.beginPath();
          ctx.moveTo(point.x, top); ctx.lineTo(point.x, bottom);
          ctx.moveTo(point.x - 4, top); ctx.lineTo(point.x + 4, top);
          ctx.moveTo(point.x - 4, bottom); ctx.lineTo(point.x + 4, bottom);
          ctx.stroke();
          ctx.restore();
        });
      });
    },
  };
  function options(tooltip, sets) {
    const all = sets.flatMap((d) => d.data.flatMap((p) => [p.y, p.low, p.high])).filter((v) => typeof v === 'number');
    const least = Math.min(...all), most = Math.max(...all), pad = (most - least || 1) * 0.05;
    const bounded = state.measure === 'metric' && least >= 0 && most <= 1;
    const range = all.length ? { min: bounded ? Math.max(0, least - pad) : least - pad, max: bounded ? Math.min(1, most + pad) : most + pad } : {};
    const css = getComputedStyle(root);
    const soft = css.getPropertyValue('--soft').trim();
    const line = css.getPropertyValue('--line').trim();
    return {
      responsive: true, maintainAspectRatio: false, animation: false,
      interaction: { mode: 'nearest', intersect: false },
      scales: {
        x: { type: 'logarithmic', title: { display: true, text: AXES[state.axis] + ' a search', color: soft },
          ticks: { color: soft, autoSkip: false, maxRotation: 0, callback: tick }, grid: { color: line } },
        y: { title: { display: true, text: MEASURES[state.measure], color: soft }, ticks: { color: soft, includeBounds: false, callback: (v) => Number(v.toPrecision(3)) }, grid: { color: line }, ...range },
      },
      plugins: { legend: { display: false }, tooltip: { filter: (item) => !item.dataset.band, callbacks: { label: tooltip } } },
    };
  }
  // 1, 2 and 5 of every decade: more would run into one another on a phone.
  function tick(v) {
    const lead = v / Math.pow(10, Math.floor(Math.log10(v) + 1e-9));
    return [1, 2, 5].some((d) => Math.abs(lead - d) < 1e-6) ? brief(v).replace(/\.0+(?= |$)/, '') : '';
  }
  function drawCharts() {
    while (charts.length) charts.pop().destroy();
    const tip = (item) => item.dataset.label + ': ' + fixed(item.parsed.y, 3) + ' [' + fixed(item.raw.low, 3) + ', ' + fixed(item.raw.high, 3) + '] at ' + brief(item.parsed.x) + (item.raw.level ? ' (' + item.raw.level + ')' : '');
    const points = series.map((name, i) => ({
      label: name, bars: true, borderColor: colour(name), backgroundColor: colour(name), pointStyle: STYLES[i % STYLES.length], pointRadius: 5, borderWidth: 2, tension: 0,
      data: rows.filter((r) => r.arm + ' / ' + r.model === name && of(r) && mean(r, state.axis) > 0)
        .map((r) => ({ x: mean(r, state.axis), y: of(r).mean, low: of(r).low, high: of(r).high, level: r.level }))
        .sort((a, b) => a.x - b.x),
    })).filter((d) => d.data.length);
    charts.push(new Chart($('levels'), { type: 'line', data: { datasets: points }, options: options(tip, points), plugins: [errorBars] }));
    const sets = [];
    for (const name of series) {
      let best = -1;
      rows.forEach((r, i) => { if (r.arm + ' / ' + r.model === name && (best < 0 || r.limit > rows[best].limit)) best = i; });
      const curve = ((data.curves[best] || {})[state.axis] || {})[state.measure];
      if (!curve) continue;
      const at = sets.length;
      const base = { borderColor: colour(name), pointRadius: 0, stepped: 'before', borderWidth: 0 };
      const tint = colour(name) + '2e';
      sets.push({ ...base, label: name, band: true, data: curve.map((p) => ({ x: p.spend, y: p.high })), fill: at + 1, backgroundColor: tint });
      sets.push({ ...base, label: name, band: true, data: curve.map((p) => ({ x: p.spend, y: p.low })) });
      sets.push({ ...base, label: name, borderWidth: 2, pointRadius: curve.length === 1 ? 5 : 0, backgroundColor: colour(name), data: curve.map((p) => ({ x: p.spend, y: p.mean, low: p.low, high: p.high })) });
    }
    charts.push(new Chart($('anytime'), { type: 'line', data: { datasets: sets }, options: options(tip, sets) }));
  }

  // ---- categories --------------------------------------------------------------------------
  if (!hasMetric || data.summary.tags.length === 0) {
    $('tags').append(el('p', { class: 'hint' }, 'The prompts have no categories, or there is no evaluator.'));
  } else {
    const body = el('tbody');
    for (const r of rows) {
      body.append(el('tr', {}, el('th', { scope: 'row' }, r.arm + ' / ' + r.model), el('td', { class: 'l' }, r.level),
        data.summary.tags.map((t) => interval(r.byTag[t], 2)), interval(r.metric, 3)));
    }
    $('tags').append(el('table', {}, head('arm', 'level', ...data.summary.tags, 'all prompts'), body));
  }

  // ---- verifiers ---------------------------------------------------------------------------
  {
    const body = el('tbody');
    const percent = (share) => el('td', {}, (100 * share).toFixed(1) + ' %');
    for (const r of rows) {
      const g = r.gap || {};
      body.append(el('tr', {}, el('th', { scope: 'row' }, r.arm + ' / ' + r.model, r.reference ? el('small', {}, r.reference) : null),
        el('td', { class: 'l' }, r.level), el('td', {}, r.verifier || '–'),
        percent(r.verifierFlopsShare), percent(r.verifierSecondsShare),
        interval(g.score, 2), interval(g.metric, 2), interval(g.difference, 2)));
    }
    $('gaps').append(el('table', {}, head('arm', 'level', 'verifier', 'share of FLOPs', 'of seconds', 'score gain', 'metric gain', 'gap'), body));
  }

  // ---- gallery -----------------------------------------------------------------------------
  const option = (value, label) => el('option', { value }, label);
  levels.forEach((l) => $('gallery-level').append(option(l, l)));
  const full = levels.map((l) => rows.filter((r) => r.level === l).length);
  $('gallery-level').value = levels[full.lastIndexOf(Math.max(...full))];
  $('gallery-tag').append(option('', 'all'));
  data.summary.tags.forEach((t) => $('gallery-tag').append(option(t, t)));
  $('gallery-hint').textContent = 'The answer of every arm, side by side; first seed. Arms without the chosen level are shown at their own.' +
    (data.left > 0 ? ' ' + data.left + ' of ' + data.total + ' searches (further prompts and seeds) are left out here to keep the file small; all figures above count them.' : '');
  const PAGE = 8;
  let shown = PAGE;
  function verdict(cell) {
    if (cell.status !== 'done') return el('span', { class: 'wrong' }, 'failed');
    if (cell.metric === null || cell.metric === undefined) return el('span', {}, '–');
    const binary = cell.metric === 0 || cell.metric === 1;
    return el('span', { class: cell.metric >= 0.5 ? 'right' : 'wrong' }, binary ? (cell.metric ? '✓ correct' : '✗ wrong') : fixed(cell.metric, 3));
  }
  function gallery() {
    const level = $('gallery-level').value;
    const tag = $('gallery-tag').value;
    const host = $('images');
    host.replaceChildren();
    const prompts = data.prompts.filter((p) => !tag || p.tag === tag).map((p) => {
      const cells = data.cells.filter((c) => c.prompt === p.id);
      const mine = series.map((name) => {
        const of = cells.filter((c) => rows[c.row].arm + ' / ' + rows[c.row].model === name);
        return of.find((c) => rows[c.row].level === level) || of[of.length - 1];
      }).filter(Boolean);
      return { p, mine };
    }).filter((x) => $('gallery-show').value === 'all' || new Set(x.mine.map((c) => c.metric)).size > 1);
    for (const { p, mine } of prompts.slice(0, shown)) {
      const shots = el('div', { class: 'shots' });
      for (const cell of mine) {
        const r = rows[cell.row];
        shots.append(el('div', { class: 'shot' },
          cell.image ? el('img', { src: cell.image, alt: r.arm + ' on ' + r.model + ': ' + p.text, loading: 'lazy' }) : el('p', {}, 'no image here'),
          el('b', {}, r.arm + ' / ' + r.model),
          verdict(cell), el('br'), 'score ' + fixed(cell.score, 3), el('br'), flops(cell.flops) + ', ' + cell.nfe + ' nfe' + (r.level !== level ? ' (' + r.level + ')' : ''),
          cell.tree === undefined ? null : el('button', { type: 'button', onclick: () => { showTree(cell.tree); $('tree').scrollIntoView(); } }, 'Tree')));
      }
      host.append(el('div', { class: 'prompt' }, el('h3', {}, '“' + p.text + '”', p.tag ? el('small', {}, p.tag) : null), shots));
    }
    if (!prompts.length) host.append(el('p', { class: 'hint' }, 'No prompt fits.'));
    $('more').hidden = prompts.length <= shown;
  }
  for (const id of ['gallery-level', 'gallery-tag', 'gallery-show']) $(id).addEventListener('change', () => { shown = PAGE; gallery(); });
  $('more').addEventListener('click', () => { shown += PAGE; gallery(); });

  // ---- search tree -------------------------------------------------------------------------
  const SVG = 'http://www.w3.org/2000/svg';
  function svg(name, attributes, ...children) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    for (const child of children.flat()) if (child) node.append(child);
    return node;
  }
  const view = { x: 0, y: 0, w: 100, h: 100 };
  let whole = { ...view };
  const canvas = $('tree-svg');
  const apply = () => canvas.setAttribute('viewBox', [view.x, view.y, view.w, view.h].join(' '));
  function zoom(factor, cx, cy) {
    const x = cx === undefined ? view.x + view.w / 2 : cx;
    const y = cy === undefined ? view.y + view.h / 2 : cy;
    view.x = x - (x - view.x) * factor; view.y = y - (y - view.y) * factor;
    view.w *= factor; view.h *= factor;
    apply();
  }
  function fit() { Object.assign(view, whole); apply(); }
  const THUMB = 56, COLUMN = 150, ROW = 78;
  data.cells.forEach((cell) => {
    if (cell.tree === undefined) return;
    const r = rows[cell.row];
    const p = data.prompts.find((x) => x.id === cell.prompt);
    $('tree-cell').append(option(cell.tree, '“' + (p ? p.text : cell.prompt) + '” · ' + r.arm + ' / ' + r.model + ' · ' + r.level));
  });
  $('tree-cell').addEventListener('change', () => showTree(Number($('tree-cell').value)));
  const score = (n) => (n.search === undefined ? n.prior : n.search);

  function showTree(index) {
    $('tree-cell').value = String(index);
    const tree = data.trees[index];
    const cell = data.cells.find((c) => c.tree === index);
    canvas.replaceChildren();
    const byId = new Map(tree.nodes.map((n) => [n.id, { ...n, children: [] }]));
    const roots = [];
    for (const n of byId.values()) {
      const parent = n.parent === undefined ? undefined : byId.get(n.parent);
      (parent ? parent.children : roots).push(n);
    }
    const path = new Set();
    for (let n = byId.get(tree.incumbent); n; n = n.parent === undefined ? undefined : byId.get(n.parent)) path.add(n.id);
    // A run of steps at which nothing was decided becomes one edge.
    for (const n of [...byId.values()]) {
      const only = n.children.length === 1 ? n.children[0] : null;
      const parent = n.parent === undefined ? undefined : byId.get(n.parent);
      if (!only || !parent || score(n) !== undefined || n.thumbnail !== undefined || n.pruned || n.id === tree.incumbent) continue;
      parent.children[parent.children.indexOf(n)] = only;
      only.parent = n.parent;
      only.skipped = [...(n.skipped || []), n, ...(only.skipped || [])];
      byId.delete(n.id);
    }
    // Columns are generations, since a roll-out jumps over steps; rows are leaves from top to bottom.
    let next = 0;
    let deepest = 0;
    const stack = roots.slice().reverse().map((n) => ({ n, depth: 0, open: true }));
    while (stack.length) {
      const top = stack.pop();
      if (top.open) {
        top.n.depth = top.depth;
        deepest = Math.max(deepest, top.depth);
        stack.push({ n: top.n, depth: top.depth, open: false });
        for (const child of top.n.children.slice().reverse()) stack.push({ n: child, depth: top.depth + 1, open: true });
      } else if (top.n.children.length === 0) {
        top.n.row = next++;
      } else {
        top.n.row = (top.n.children[0].row + top.n.children[top.n.children.length - 1].row) / 2;
      }
    }
    const at = (n) => ({ x: n.depth * COLUMN + 20, y: n.row * ROW + 20 });
    const edges = svg('g');
    const nodes = svg('g');
    for (const n of byId.values()) {
      const p = at(n);
      if (n.parent !== undefined && byId.has(n.parent)) {
        const q = at(byId.get(n.parent));
        const x1 = q.x + THUMB, y1 = q.y + THUMB / 2, y2 = p.y + THUMB / 2, mid = (x1 + p.x) / 2 + 12;
        edges.append(svg('path', { class: 'edge' + (path.has(n.id) ? ' path' : ''), d: `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${p.x} ${y2}` }));
      }
      if (n.skipped) {
        const t = svg('text', { x: p.x - 6, y: p.y + THUMB / 2 - 6, 'text-anchor': 'end', class: 'soft' });
        t.textContent = '+' + n.skipped.length;
        edges.append(t);
      }
      const s = score(n);
      const label = 'Node ' + n.id + ', ' + n.verb + ', step ' + n.step + (s === undefined ? '' : ', score ' + fixed(s, 3)) + (n.pruned ? ', given up: ' + n.pruned : '') + (n.id === tree.incumbent ? ', incumbent' : '');
      const g = svg('g', { transform: `translate(${p.x} ${p.y})`, tabindex: '0', role: 'button', 'aria-label': label, class: (path.has(n.id) ? 'path ' : '') + (n.pruned ? 'pruned' : '') });
      g.append(svg('rect', { class: 'frame', width: THUMB, height: THUMB, rx: 5 }));
      const thumb = thumbnail(tree, n, 2, 2, THUMB - 4);
      if (thumb) g.append(thumb);
      else { const t = svg('text', { x: THUMB / 2, y: THUMB / 2 + 4, 'text-anchor': 'middle', class: 'soft' }); t.textContent = 'step ' + n.step; g.append(t); }
      if (s !== undefined) { const t = svg('text', { x: THUMB + 5, y: 14 }); t.textContent = fixed(s, 3); g.append(t); }
      if (n.pruned) { const t = svg('text', { x: 0, y: THUMB + 12, class: 'soft' }); t.textContent = n.pruned.slice(0, 24); g.append(t); }
      g.addEventListener('click', () => { describe(tree, n); g.focus(); });
      g.addEventListener('focus', () => describe(tree, n));
      nodes.append(g);
    }
    canvas.append(edges, nodes);
    const w = (deepest + 1) * COLUMN + 60, h = Math.max(1, next) * ROW + 40;
    const box = canvas.getBoundingClientRect();
    const ratio = (box.width || 800) / (box.height || 560);
    whole = w / h > ratio ? { x: 0, y: (h - w / ratio) / 2, w, h: w / ratio } : { x: (w - h * ratio) / 2, y: 0, w: h * ratio, h };
    const readable = 1500;
    fit();
    if (whole.h > readable) {
      // A large tree opens at a readable size, on its incumbent.
      const inc = byId.get(tree.incumbent);
      const y = inc ? at(inc).y : 0;
      Object.assign(view, { h: 700, w: 700 * ratio, x: 0, y: Math.max(0, y - 350) });
      apply();
    }
    const r = rows[cell.row];
    $('tree-summary').textContent = tree.nodes.length + ' nodes, ' + tree.nodes.filter((n) => n.pruned).length + ' given up; ' + flops(cell.flops) + ', ' + cell.nfe + ' nfe, ' + cell.calls + ' verifier calls; ended: ' + cell.stop + '; ' + r.arm + ' / ' + r.model + ' at ' + r.level + '.';
    $('node').replaceChildren(el('p', { class: 'hint' }, 'Choose a node to see its score, cost and fate.'));
  }
  function thumbnail(tree, n, x, y, size) {
    if (n.thumbnail === undefined || !tree.sheet || !tree.sheet.uri) return null;
    const side = tree.sheet.side, columns = tree.sheet.columns;
    const sx = (n.thumbnail % columns) * side, sy = Math.floor(n.thumbnail / columns) * side;
    const count = tree.nodes.filter((m) => m.thumbnail !== undefined).length;
    return svg('svg', { x, y, width: size, height: size, viewBox: `${sx} ${sy} ${side} ${side}` },
      svg('image', { href: tree.sheet.uri, width: columns * side, height: Math.ceil(count / columns) * side }));
  }
  function describe(tree, n) {
    const list = el('dl');
    const add = (name, value) => { if (value !== undefined) list.append(el('dt', {}, name), el('dd', {}, String(value))); };
    add('node', n.id); add('parent', n.parent); add('made by', n.verb); add('step', n.step);
    add('nfe', n.nfe); add('FLOPs', brief(n.flops));
    if (n.skipped) {
      const sum = (key) => n.skipped.reduce((total, m) => total + (m[key] || 0), 0);
      add('steps before', n.skipped.length + ', ' + sum('nfe') + ' nfe, ' + flops(sum('flops')));
    }
    if (n.search !== undefined) add('score', fixed(n.search, 4));
    if (n.prior !== undefined) add('prior', fixed(n.prior, 4));
    for (const [k, v] of Object.entries(n.searchParts || {})) add(k, fixed(v, 4));
    add('failed', n.searchFailed);
    for (const [k, v] of Object.entries(n.facts || {})) add(k, fixed(v, 4));
    add('given up', n.pruned);
    if (n.id === tree.incumbent) add('role', n.id === tree.answer ? 'incumbent and answer' : 'incumbent');
    else if (n.id === tree.answer) add('role', 'answer');
    const parts = [];
    const big = thumbnail(tree, n, 0, 0, 160);
    if (big) { big.setAttribute('class', 'big'); parts.push(big); }
    $('node').replaceChildren(...parts, list);
  }
  canvas.addEventListener('wheel', (e) => {
    if (!e.ctrlKey && !e.shiftKey && document.activeElement !== canvas && !canvas.contains(document.activeElement)) return;
    e.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(e.deltaY > 0 ? 1.15 : 1 / 1.15, view.x + ((e.clientX - box.left) / box.width) * view.w, view.y + ((e.clientY - box.top) / box.height) * view.h);
  }, { passive: false });
  let drag = null;
  canvas.addEventListener('pointerdown', (e) => { drag = { x: e.clientX, y: e.clientY, vx: view.x, vy: view.y }; });
  window.addEventListener('pointermove', (e) => {
    if (!drag) return;
    const box = canvas.getBoundingClientRect();
    view.x = drag.vx - ((e.clientX - drag.x) / box.width) * view.w;
    view.y = drag.vy - ((e.clientY - drag.y) / box.height) * view.h;
    apply();
  });
  window.addEventListener('pointerup', () => { drag = null; });
  canvas.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (step) { view.x += step[0] * view.w * 0.1; view.y += step[1] * view.h * 0.1; apply(); e.preventDefault(); }
    else if (e.key === '+' || e.key === '=') zoom(1 / 1.25);
    else if (e.key === '-') zoom(1.25);
    else if (e.key === '0') fit();
  });
  $('zoom-in').addEventListener('click', () => zoom(1 / 1.25));
  $('zoom-out').addEventListener('click', () => zoom(1.25));
  $('zoom-fit').addEventListener('click', fit);

  // ---- failures, provenance ----------------------------------------------------------------
  if (failures.length === 0) {
    $('failed').append(el('p', {}, 'None: every search has an answer, and every answer a verdict.' + (rows.some((r) => r.failedVerdicts > 0) ? ' Verdicts within searches failed, though: see the column calls.' : '')));
  } else {
    const body = el('tbody');
    for (const f of failures) {
      body.append(el('tr', {}, el('th', { scope: 'row' }, f.arm + ' / ' + f.model), el('td', { class: 'l' }, f.level), el('td', { class: 'l' }, f.prompt), el('td', {}, f.seed), el('td', { class: 'l' }, f.why)));
    }
    const reasons = el('ul');
    for (const r of data.reasons || []) reasons.append(el('li', {}, r.searches + ' × ' + r.why));
    $('failed').append(reasons);
    $('failed').append(el('p', {}, data.failed + ' of ' + data.total + ' searches' + (data.failed > failures.length ? '; the first ' + failures.length + ' are listed' : '') + '. They are in the denominators of no mean above, and never count as zero.'),
      el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Failures' }, el('table', { class: 'text' }, head('arm', 'level', 'prompt', 'seed', 'why'), body)));
  }
  function cards(title, entries) {
    const body = el('tbody');
    for (const [name, card] of entries) {
      body.append(el('tr', {}, el('th', { scope: 'row' }, name), el('td', { class: 'l' }, card.id), el('td', { class: 'l' }, (card.weightsSha256 || '–').slice(0, 16)), el('td', { class: 'l' }, (card.programSha256 || '–').slice(0, 16)), el('td', { class: 'l' }, card.licence || '–'),
        el('td', { class: 'l' }, card.metric || (card.width ? card.width + ' × ' + card.height + ' px, ' + card.horizon + ' steps' : '–'))));
    }
    return el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': title }, el('table', { class: 'text' }, el('caption', {}, el('span', {}, title)), head('name', 'id', 'weights', 'program', 'licence', 'what'), body));
  }
  const verifiers = Object.entries(plan.verifiers).flatMap(([role, v]) => (Array.isArray(v) ? v.map((c) => [role, c]) : [[role, v]]));
  $('cards').append(cards('Models', Object.entries(plan.models)), cards('Verifiers', verifiers));
  const arms = el('tbody');
  for (const arm of plan.arms) {
    arms.append(el('tr', {}, el('th', { scope: 'row' }, arm.name), el('td', { class: 'l' }, arm.summary), el('td', { class: 'l' }, el('a', { href: arm.paper, rel: 'noreferrer' }, arm.paper))));
  }
  $('cards').append(el('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Strategies' }, el('table', { class: 'text' }, el('caption', {}, el('span', {}, 'Strategies')), head('arm', 'method', 'paper'), arms)));
  $('resolved').textContent = JSON.stringify(data.resolved, null, 2);
  $('environment').textContent = JSON.stringify({ started: data.run.started, overrides: data.run.overrides, ...data.environment }, null, 2);

  setTheme(window.matchMedia && window.matchMedia('(prefers-color-scheme: dark)').matches);
  gallery();
  if (data.trees.length) {
    // The most eventful search first.
    let best = 0;
    const events = (t) => (t.nodes.length > 400 ? 0 : t.nodes.filter((n) => n.pruned || n.thumbnail !== undefined).length);
    data.trees.forEach((t, i) => { if (events(t) > events(data.trees[best])) best = i; });
    showTree(best);
  } else {
    $('tree-summary').textContent = 'There is no tree.';
  }
  document.documentElement.dataset.ready = 'true';
})();
