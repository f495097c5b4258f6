'use strict';
(() => {
  const data = JSON.parse(document.getElementById('plan-data').textContent);
  const at = id => document.getElementById('plan-' + id);
  const STEPS = 400, RATIOS = ['k', 'M', 'G', 'T', 'P', 'E'];
  const clamp = (x, lo, hi) => Math.min(Math.max(x, lo), hi);

  // Counts as the rest of the page has them: 950, 12.3k, 4.56M.
  const digits = (x, n) => x === 0 ? '0' : String(Number(x.toPrecision(n)));
  const quantity = x => {
    for (let i = RATIOS.length; i > 0; i--) {
      const scale = 1000 ** i;
      if (Math.abs(x) >= scale * 0.9995) return digits(x / scale, 3) + RATIOS[i - 1];
    }
    return digits(x, 3);
  };
  const flop = x => x.toExponential(2).replace('e+', 'e');
  const fixed = (x, n = 3) => x.toFixed(n).replace('-', '\u2212');

  // Cubic Hermite through values at even steps; slopes are those of the parabola through three neighbours.
  const along = (values, position) => {
    const last = values.length - 1;
    if (last === 0) return values[0];
    const k = clamp(Math.floor(position), 0, last - 1), t = position - k;
    if (last === 1) return values[0] + t * (values[1] - values[0]);
    const slope = i => i === 0 ? (4 * values[1] - 3 * values[0] - values[2]) / 2
      : i === last ? (3 * values[last] - 4 * values[last - 1] + values[last - 2]) / 2 : (values[i + 1] - values[i - 1]) / 2;
    const a = values[k], b = values[k + 1], t2 = t * t, t3 = t2 * t;
    return a * (2 * t3 - 3 * t2 + 1) + slope(k) * (t3 - 2 * t2 + t) + b * (3 * t2 - 2 * t3) + slope(k + 1) * (t3 - t2);
  };
  const place = (grid, x) => (grid.length - 1) * Math.log(x / grid[0]) / Math.log(grid[grid.length - 1] / grid[0]);

  // FLOP per token of a size: 6 per parameter, and a power law from size to size for what lies above.
  const perToken = params => {
    const { sizes, each } = data.cost, base = 6 * params;
    if (!sizes.length) return base;
    const x = Math.log(params), logs = sizes.map(Math.log), above = each.map((f, i) => f - 6 * sizes[i]);
    let k = 0;
    while (k < sizes.length - 2 && x > logs[k + 1]) k++;
    const share = sizes.length === 1 ? 0 : (x - logs[k]) / (logs[k + 1] - logs[k]);
    if (above.some(f => f <= 0)) {
      const ratio = each.map((f, i) => Math.log(f / (6 * sizes[i])));
      const kept = clamp(share, 0, 1);
      return base * Math.exp(sizes.length === 1 ? ratio[0] : ratio[k] + kept * (ratio[k + 1] - ratio[k]));
    }
    const value = above.map(Math.log);
    return base + Math.exp(sizes.length === 1 ? value[0] : value[k] + share * (value[k + 1] - value[k]));
  };

  const read = (law, name, params, flops) => {
    if (law[name] === null) return null;
    const column = place(law.flops, flops), rows = law[name].map(row => along(row, column));
    return law.joint ? along(rows, place(law.params, params)) : rows[law.params.indexOf(params)];
  };
  const bestSize = (law, flops) => {
    if (law.joint) return Math.exp(along(law.best.map(Math.log), place(law.flops, flops)));
    const reached = law.params.filter(n => flops / perToken(n) <= data.reach * law.tokens_range[1] * 1.000001);
    if (!reached.length) return law.params[law.params.length - 1];
    return reached.reduce((a, b) => read(law, 'loss', b, flops) < read(law, 'loss', a, flops) ? b : a);
  };
  const interpolate = (x, xs, ys) => {
    let k = 0;
    while (k < xs.length - 2 && x > xs[k + 1]) k++;
    const t = xs.length === 1 ? 0 : clamp((x - xs[k]) / (xs[k + 1] - xs[k] || 1), 0, 1);
    return ys[k] + (xs.length === 1 ? 0 : t * (ys[k + 1] - ys[k]));
  };
  const recallOf = (relation, now) => {
    const value = x => x < relation.lo || x > relation.hi ? null : interpolate(x, relation.x, relation.y);
    const centre = value(now.loss);
    if (centre === null) return null;
    const end = (loss, reach, sign) => {
      const other = value(loss);
      return other === null ? null : centre + sign * Math.hypot(other - centre, reach);
    };
    const span = (lo, hi, reach) => lo === null ? null : [end(hi, reach, -1), end(lo, reach, 1)];
    return { value: centre, i80: span(now.lo80, now.hi80, relation.reach80), i95: span(now.lo95, now.hi95, relation.reach95) };
  };

  const state = { law: data.sets[0], flops: 0, params: null }; // params null: the best size
  const meet = law => Math.exp((Math.log(law.flops[0]) + 2 * Math.log(law.largest)) / 3);

  const now = () => {
    const { law, flops } = state, best = bestSize(law, flops), params = state.params === null ? best : state.params;
    const tokens = flops / perToken(params), out = { set: law.name, flops, params, tokens, best };
    for (const name of ['loss', 'lo80', 'hi80', 'lo95', 'hi95']) out[name] = read(law, name, params, flops);
    out.bestLoss = read(law, 'loss', best, flops);
    const far = law.joint ? flops / law.largest : tokens / law.tokens_range[1];
    out.beyond = far > data.reach * 1.000001;
    out.few = tokens < law.tokens_range[0] / 1.000001;
    out.recall = {};
    for (const [metric, relation] of Object.entries(law.recall)) {
      out.recall[metric] = typeof relation === 'string' || out.beyond ? null : recallOf(relation, out);
    }
    return out;
  };

  const make = (tag, attributes, ...children) => {
    const svg = ['svg', 'path', 'line', 'circle', 'text', 'g', 'title', 'desc'].includes(tag);
    const e = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
    e.append(...children);
    return e;
  };
  const pair = (lo, hi, n = 3) => `${lo === null ? 'open' : fixed(lo, n)} \u2013 ${hi === null ? 'open' : fixed(hi, n)}`;
  const tile = (value, name, ...small) => make('div', {}, make('b', {}, value), make('span', {}, name), ...small.map(s => make('small', {}, s)));

  const tiles = n => {
    const law = state.law, shown = [
      tile(quantity(n.params), 'parameters', state.params === null ? 'best for this budget' : `best: ${quantity(n.best)}`),
      tile(quantity(n.tokens), 'training tokens', `${flop(n.flops)} FLOP`),
    ];
    if (n.beyond) {
      shown.push(tile('\u2013', 'no answer', `beyond ${data.reach}\u00d7 the largest fitted run`));
      return shown;
    }
    const spans = n.lo95 === null ? ['no interval'] : [`80 %: ${pair(n.lo80, n.hi80)}`, `95 %: ${pair(n.lo95, n.hi95)}`];
    shown.push(tile(fixed(n.loss), law.unit ? `nats per ${law.unit}` : 'loss, nats', ...spans));
    if (law.floor !== null) {
      const share = (n.loss - n.bestLoss) / (n.bestLoss - law.floor);
      shown.push(tile(fixed(n.loss - law.floor), 'above the known floor', share > 0.0005 ? `${fixed(100 * share, 1)} % more than at the best size` : ''));
    }
    for (const [metric, relation] of Object.entries(law.recall)) {
      if (typeof relation === 'string') continue;
      const r = n.recall[metric], name = metric === 'recall_10' ? 'Recall@10' : 'Recall@100';
      if (r === null) shown.push(tile('\u2013', name, `no model here had a loss of ${fixed(n.loss)}`));
      else shown.push(tile(fixed(r.value), name, ...(r.i95 === null ? ['no interval'] : [`80 %: ${pair(...r.i80)}`, `95 %: ${pair(...r.i95)}`])));
    }
    const epochs = Object.entries(data.epochs).map(([name, each]) => `${name} ${digits(each * n.tokens, 2)}`);
    if (epochs.length) shown.push(tile(epochs.join(', '), 'epochs', 'of the finite sources'));
    return shown;
  };

  const draw = n => {
    const law = state.law, width = clamp(at('figure').clientWidth || 600, 260, 900), height = 290;
    const left = 52, right = 14, top = 12, bottom = 44, count = 60;
    const budgets = [...Array(count + 1).keys()].map(i => law.flops[0] * (law.flops[law.flops.length - 1] / law.flops[0]) ** (i / count));
    const within = budgets.filter(c => law.joint || c / perToken(bestSize(law, c)) <= data.reach * law.tokens_range[1] * 1.000001);
    const series = name => within.map(c => [c, read(law, name, bestSize(law, c), c)]);
    const loss = series('loss'), banded = law.lo95 !== null;
    const own = state.params === null ? [] : within.filter(c => law.joint || c / perToken(n.params) <= data.reach * law.tokens_range[1])
      .map(c => [c, read(law, 'loss', n.params, c)]);
    const highest = Math.max(...loss.map(p => p[1]), n.beyond ? 0 : n.loss), end = series(banded ? 'lo95' : 'loss').map(p => p[1]);
    const low = Math.min(...end, law.floor === null ? Infinity : law.floor), pad = 0.05 * (highest - low);
    const x = c => left + (width - left - right) * Math.log(c / law.flops[0]) / Math.log(law.flops[law.flops.length - 1] / law.flops[0]);
    const y = v => top + (height - top - bottom) * (highest + pad - clamp(v, low - pad, highest + pad)) / (highest - low + 2 * pad);
    const path = points => points.map(([c, v], i) => `${i ? 'L' : 'M'}${x(c).toFixed(1)} ${y(v).toFixed(1)}`).join('');
    const band = (lo, hi, opacity) => make('path', { d: path(series(hi)) + path(series(lo).reverse()).replace('M', 'L') + 'Z', fill: 'var(--s5)', opacity });
    const text = (px, py, words, anchor) => make('text', { x: px, y: py, 'text-anchor': anchor, fill: 'var(--ink)' }, words);
    const rule = (x1, y1, x2, y2, more) => make('line', { x1, y1, x2, y2, stroke: 'var(--grid)', ...more });
    const parts = [];
    const decades = Math.log10(law.flops[law.flops.length - 1] / law.flops[0]), step = decades > width / 70 ? 2 : 1;
    for (let e = Math.ceil(Math.log10(law.flops[0])); 10 ** e <= law.flops[law.flops.length - 1]; e += step) {
      parts.push(rule(x(10 ** e), top, x(10 ** e), height - bottom), text(clamp(x(10 ** e), left, width - 26), height - bottom + 16, `1e${e}`, 'middle'));
    }
    for (let i = 0; i <= 4; i++) {
      const v = low + (highest - low) * i / 4;
      parts.push(rule(left, y(v), width - right, y(v)), text(left - 6, y(v) + 4, fixed(v, 2), 'end'));
    }
    parts.push(text((left + width - right) / 2, height - 8, 'Budget, FLOP', 'middle'));
    if (banded) parts.push(band('lo95', 'hi95', 0.16), band('lo80', 'hi80', 0.22));
    if (law.floor !== null) parts.push(rule(left, y(law.floor), width - right, y(law.floor), { stroke: 'var(--ink)', 'stroke-dasharray': '5 3' }));
    parts.push(rule(x(law.largest), top, x(law.largest), height - bottom, { stroke: 'var(--soft)', 'stroke-dasharray': '2 3' }));
    parts.push(make('path', { d: path(loss), fill: 'none', stroke: 'var(--s5)', 'stroke-width': 2 }));
    if (own.length) parts.push(make('path', { d: path(own), fill: 'none', stroke: 'var(--s2)', 'stroke-width': 2, 'stroke-dasharray': '6 3' }));
    if (!n.beyond) {
      if (banded) parts.push(rule(x(n.flops), y(n.lo95), x(n.flops), y(n.hi95), { stroke: 'var(--ink)', 'stroke-width': 2 }));
      parts.push(make('circle', { cx: x(n.flops), cy: y(n.loss), r: 5.5, fill: 'var(--ink)' }));
    }
    const svg = at('figure');
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.replaceChildren(make('title', { id: 'plan-figure-t' }, 'Loss against budget'),
      make('desc', { id: 'plan-figure-d' }, sentence(n)), make('g', { 'font-size': 12 }, ...parts));
  };

  const sentence = n => n.beyond
    ? `${flop(n.flops)} FLOP at ${quantity(n.params)} parameters lie beyond ${data.reach}\u00d7 the largest fitted run.`
    : `${flop(n.flops)} FLOP: ${quantity(n.params)} parameters on ${quantity(n.tokens)} tokens, loss ${fixed(n.loss)}`
      + (n.lo95 === null ? '.' : `, 95 % ${pair(n.lo95, n.hi95)}.`);

  const address = () => `#plan/${encodeURIComponent(state.law.name)}/${digits(state.flops, 6)}/${state.params === null ? 'best' : digits(state.params, 6)}`;
  const span = law => law.joint ? [law.params[0], law.params[law.params.length - 1]] : [0, law.params.length - 1];
  const show = (sliders = true) => {
    const { law } = state, n = now(), [lo, hi] = span(law);
    if (sliders) {
      at('set').value = law.name;
      at('c').value = Math.round(STEPS * Math.log(state.flops / law.flops[0]) / Math.log(law.flops[law.flops.length - 1] / law.flops[0]));
      at('n').max = law.joint ? STEPS : hi;
    }
    at('n').value = law.joint ? Math.round(STEPS * Math.log(n.params / lo) / Math.log(hi / lo)) : law.params.indexOf(n.params);
    at('best').checked = state.params === null;
    at('c').setAttribute('aria-valuetext', `${flop(state.flops)} FLOP`);
    at('n').setAttribute('aria-valuetext', `${quantity(n.params)} parameters`);
    at('c-out').textContent = `${flop(state.flops)} FLOP`;
    at('n-out').textContent = `${quantity(n.params)} parameters`;
    at('tiles').replaceChildren(...tiles(n));
    const said = [];
    if (!law.joint) said.push('What N does isn\u2019t identified here: only the trained sizes can be chosen.');
    if (n.few && !n.beyond) said.push('Fewer tokens than any fitted run: models may not have learnt the format there.');
    at('note').textContent = said.join(' ');
    at('link').setAttribute('href', address());
    at('play').dataset.now = JSON.stringify(n);
    draw(n);
  };
  const moved = sliders => {
    show(sliders);
    history.replaceState(null, '', address());
  };

  const fromAddress = () => {
    const parts = location.hash.split('/');
    if (parts[0] !== '#plan' || parts.length !== 4) return false;
    let name;
    try { name = decodeURIComponent(parts[1]); } catch { return false; }
    const law = data.sets.find(one => one.name === name), flops = Number(parts[2]), params = Number(parts[3]);
    if (!law || !(flops > 0) || !(parts[3] === 'best' || params > 0)) return false;
    state.law = law;
    state.flops = clamp(flops, law.flops[0], law.flops[law.flops.length - 1]);
    state.params = parts[3] === 'best' ? null : law.joint ? clamp(params, ...span(law))
      : law.params.reduce((a, b) => Math.abs(Math.log(b / params)) < Math.abs(Math.log(a / params)) ? b : a);
    return true;
  };

  for (const law of data.sets) at('set').append(make('option', { value: law.name }, law.label));
  at('set').parentElement.hidden = data.sets.length < 2;
  at('set').addEventListener('change', () => {
    state.law = data.sets.find(one => one.name === at('set').value);
    state.flops = clamp(state.flops, state.law.flops[0], state.law.flops[state.law.flops.length - 1]);
    if (state.params !== null && (!state.law.joint || state.params > span(state.law)[1])) state.params = null;
    moved(true);
  });
  at('c').addEventListener('input', () => {
    const { law } = state;
    state.flops = law.flops[0] * (law.flops[law.flops.length - 1] / law.flops[0]) ** (at('c').value / STEPS);
    moved(false);
  });
  at('n').addEventListener('input', () => {
    const { law } = state, [lo, hi] = span(law);
    state.params = law.joint ? lo * (hi / lo) ** (at('n').value / STEPS) : law.params[at('n').value];
    moved(false);
  });
  at('best').addEventListener('change', () => {
    state.params = at('best').checked ? null : bestSize(state.law, state.flops);
    moved(true);
  });
  addEventListener('hashchange', () => { if (fromAddress()) show(); });
  addEventListener('resize', () => draw(now()));
  addEventListener('beforeprint', () => draw(now()));

  at('play').hidden = false;
  if (fromAddress()) document.getElementById('plan').scrollIntoView();
  else state.flops = meet(state.law);
  show();
})();
