// What is wrong with the page as it stands, in words: contrast (WCAG 1.4.3), names (4.1.2),
// pictures' texts (1.1.1), headings, ids, and room on a small screen (1.4.10).
(() => {
  const faults = [];
  const modal = document.querySelector('dialog[open]');
  const all = [...(modal ?? document.body).querySelectorAll('*')];
  const isShown = (node) =>
    node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    node.getClientRects().length > 0;
  const what = (node) =>
    `${node.tagName.toLowerCase()}#${node.id}.${node.getAttribute('class') ?? ''} ` +
    `"${(node.textContent ?? '').trim().slice(0, 40)}"`;

  const parse = (text) => {
    const parts = (text.match(/[\d.]+/g) ?? []).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const over = (top, below) =>
    top.rgb.map((value, at) => value * top.alpha + below[at] * (1 - top.alpha));
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const layer = parse(getComputedStyle(at).backgroundColor);
      if (layer.alpha > 0) layers.push(layer);
      if (layer.alpha === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const node of all) {
    const says = [...node.childNodes].some(
      (child) => child.nodeType === Node.TEXT_NODE && child.data.trim(),
    );
    if (!says || !isShown(node) || node.closest(':disabled, .sr, .skip, .stage, .frame')) continue;
    const style = getComputedStyle(node);
    const below = ground(node);
    const drawn = node.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(over(parse(drawn), below)), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${what(node)}`);
  }

  const nameOf = (node) =>
    node.getAttribute('aria-label') ||
    node.labels?.[0]?.textContent.trim() ||
    node.textContent.trim() ||
    node.title ||
    node.querySelector?.('img')?.alt;
  for (const node of all.filter((one) =>
    one.matches('a[href], button, input, select, textarea, [role=button]'),
  )) {
    if (!isShown(node)) continue;
    if (!nameOf(node)) faults.push(`no name: ${what(node)}`);
    const { width, height } = node.getBoundingClientRect();
    const inText = node.matches('a') && getComputedStyle(node).display === 'inline';
    if (
      !inText &&
      !node.matches('[type=checkbox], [type=range], .skip') &&
      (width < 24 || height < 24) &&
      !node.closest('svg')
    ) {
      faults.push(`too small to hit (${width}×${height}): ${what(node)}`);
    }
  }
  for (const image of all.filter((one) => one.matches('img'))) {
    if (!image.hasAttribute('alt')) faults.push(`no alt: ${image.src}`);
  }
  for (const drawn of all.filter((one) => one.matches('svg[role=img]'))) {
    if (!drawn.querySelector('title')?.textContent)
      faults.push(`a drawing without words: ${what(drawn)}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at)))
    faults.push(`id twice: ${id}`);
  for (const node of all) {
    for (const key of ['aria-labelledby', 'aria-controls', 'aria-describedby']) {
      const id = node.getAttribute(key);
      if (id && !document.getElementById(id)) faults.push(`${key} of nothing: ${what(node)}`);
    }
  }
  if (!modal) {
    const headings = [...document.querySelectorAll('h1, h2, h3, h4')].filter(
      (node) => isShown(node) || node.matches('.sr'),
    );
    const levels = headings
      .filter((node) => !node.closest('dialog'))
      .map((node) => Number(node.tagName[1]));
    if (levels.filter((level) => level === 1).length !== 1)
      faults.push(`headings of level 1: ${levels}`);
    levels.forEach((level, at) => {
      if (at && level > levels[at - 1] + 1) faults.push(`a level skipped: ${levels}`);
    });
    if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 1) {
    faults.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
  }
  if (!['vi', 'en'].includes(document.documentElement.lang)) faults.push('no language');
  return faults;
})();
