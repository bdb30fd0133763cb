(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const dialog = document.querySelector("dialog[open]");
  const visible = (e) => e.checkVisibility({ contentVisibilityAuto: true, opacityProperty: true, visibilityProperty: true }) && (!dialog || dialog.contains(e));
  // What is behind an element: the backgrounds of those around it, and behind a picture anything, so that the worst counts.
  const ground = (element, worst) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.push(rgba(getComputedStyle(e).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
      if (e.id === "call" || (e.parentElement?.id === "call" && document.querySelector("#call.seen"))) {
        layers.push([...worst, 1]);
        break;
      }
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const opacity = (element) => {
    let o = 1;
    for (let e = element; e; e = e.parentElement) o *= getComputedStyle(e).opacity;
    return o;
  };
  const faults = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || !visible(e) || e.closest(":disabled, .visually-hidden, svg, video")) continue;
    const style = getComputedStyle(e);
    for (const worst of [[255, 255, 255], [0, 0, 0]]) {
      const below = ground(e, worst);
      const [r, g, b, a] = rgba(style.color);
      const ink = over([r, g, b, a * opacity(e)], below);
      const [light, dark] = [luminance(ink), luminance(below)].sort((x, y) => y - x);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) faults.add(`contrast ${ratio.toFixed(2)} of ${JSON.stringify(node.data.trim())}`);
    }
  }
  for (const e of document.querySelectorAll("button, input")) {
    if (!visible(e)) continue;
    const { width, height } = e.getBoundingClientRect();
    if (Math.min(width, height) < 44) faults.add(`${width} by ${height} pixels of ${e.id || e.ariaLabel}`);
  }
  return [...faults];
})()
