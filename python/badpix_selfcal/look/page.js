// The behaviour of a report's page. Bokeh draws; this script unpacks the images, shows values under
// the pointer and the profiles of a pixel, flickers, collapses slices, and listens to keys.
//
// Data in the page: `#settings` (sizes, cuts, titles, see page.py), one `#layer-NAME` for each array
// (see layers.py), and bokeh itself, compressed. A pixel is its index, row * columns + column.
"use strict";
(async () => {
  const began = performance.now();
  const element = (id) => document.getElementById(id);
  const json = (id) => JSON.parse(element(id).textContent);
  const settings = json("settings");
  const [rows, columns] = settings.shape;

  // Copy the text of a box. Where the browser does not allow this, it stays selected.
  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", async () => {
      const box = element(button.dataset.copy);
      getSelection().selectAllChildren(box);
      try {
        await navigator.clipboard.writeText(box.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
    });

  // ---- Arrays ----------------------------------------------------------------------------------
  const NOT_A_NUMBER = 0, LESS = 1, MORE = 65535, HALF = 32768;

  // Return the bytes that an element holds as compressed text.
  async function inflated(node) {
    let packed;
    if (Uint8Array.fromBase64) {
      packed = Uint8Array.fromBase64(node.textContent);
    } else {
      const text = atob(node.textContent);
      packed = new Uint8Array(text.length);
      for (let i = 0; i < packed.length; i++) packed[i] = text.charCodeAt(i);
    }
    node.textContent = "";
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  // Run the libraries.
  for (let node, number = 0; (node = element(`library-${number}`)) !== null; number++) {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await inflated(node));
    document.head.append(script);
  }

  // Return the elements of a layer: whole numbers, of which the bytes of the lowest order are first.
  async function unpacked(name) {
    const node = element(`layer-${name}`);
    if (node === null) return null;
    const bytes = await inflated(node);
    const about = JSON.parse(node.dataset.about);
    const kinds = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };
    const codes = new kinds[about.bytes](bytes.length / about.bytes);
    for (let place = 0; place < about.bytes; place++) {
      const plane = bytes.subarray(place * codes.length, (place + 1) * codes.length);
      for (let i = 0; i < codes.length; i++) codes[i] |= plane[i] << (8 * place);
    }
    const layer = { ...about, codes };
    if (about.bytes === 2 && about.knee)
      layer.values = Float64Array.from({ length: 65536 }, (_, code) => decode(code, layer));
    return layer;
  }

  // Return the value of a code of 16 bits.
  function decode(code, layer) {
    if (code === NOT_A_NUMBER) return NaN;
    if (code === LESS) return -Infinity;
    if (code === MORE) return Infinity;
    return layer.knee * Math.sinh((code - HALF) * (layer.step / layer.knee));
  }
  const value = (name, pixel) => {
    if (name === "residual") return value("minimum", pixel) - value("median", pixel);
    if (name === "science") return value("minimum", pixel) + growth(layers.science, pixel);
    return layers[name] ? layers[name].values[layers[name].codes[pixel]] : NaN;
  };
  // Return a value of at least 0 from its code of 8 bits.
  const growth = (layer, at) =>
    layer.codes[at] === 0 ? NaN : layer.knee * Math.sinh((layer.codes[at] - 1) * layer.step);

  const names = ["minimum", "median", "significance", "dq", "slices", "flagged", "is_high",
    "sizes", "strip_pixels", "strips", "noise", "science", "compared"];
  const layers = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await unpacked(name)])));
  const flagged = layers.flagged.codes;
  const isFlagged = new Uint8Array(rows * columns);
  flagged.forEach((pixel, i) => { isFlagged[pixel] = layers.is_high.codes[i] ? 3 : 2; });
  // The groups of flags, the strongest first: the first pixel of each is the brightest.
  const sizes = layers.sizes.codes, groupOf = new Int32Array(rows * columns).fill(-1);
  const brightest = new Uint32Array(sizes.length);
  for (let group = 0, first = 0; group < sizes.length; first += sizes[group++]) {
    brightest[group] = flagged[first];
    for (const pixel of flagged.subarray(first, first + sizes[group])) groupOf[pixel] = group;
  }
  const stripOf = new Map(Array.from(layers.strip_pixels.codes, (pixel, i) => [pixel, i]));
  // What is cut, and its exact values at these pixels.
  const compared = layers.significance ? "significance" : "residual";
  const exact = new Float32Array(layers.compared.codes.buffer);

  // ---- Images ----------------------------------------------------------------------------------
  // Return colours as words of a canvas: red, green, blue and opacity, one byte each.
  const words = (palette) => Uint32Array.from(palette, (colour) => {
    const byte = (at) => parseInt(colour.slice(at, at + 2), 16);
    return byte(1) + byte(3) * 2 ** 8 + byte(5) * 2 ** 16 + 255 * 2 ** 24;
  });
  // Return the colour of each pixel. `Uint32Array.from` with a function is far slower.
  function painted(colour) {
    const pixels = new Uint32Array(rows * columns);
    for (let pixel = 0; pixel < pixels.length; pixel++) pixels[pixel] = colour(pixel);
    return pixels;
  }
  // Return the colours of the values of a panel between two limits.
  function coloured(name, [low, high], palette) {
    const colours = words(palette), last = palette.length - 1;
    const [missing] = words([settings.colours.missing]);
    const ofValue = (number) => Number.isNaN(number) ? missing :
      colours[Math.round(last * Math.min(Math.max((number - low) / (high - low), 0), 1))];
    if (name === "residual" || name === "science")
      return painted((pixel) => ofValue(value(name, pixel)));
    const ofCode = Uint32Array.from(layers[name].values, ofValue), { codes } = layers[name];
    return painted((pixel) => ofCode[codes[pixel]]);
  }
  // Return the colours of DQ: 0, some bit, DO_NOT_USE, not sensitive to light.
  function colouredDq() {
    const bit = (name) => {
      const place = layers.dq.bits.findIndex((each) => settings.bits[each] === name);
      return place < 0 ? 0 : 2 ** place;
    };
    const dark = bit("REFERENCE_PIXEL") | bit("NON_SCIENCE"), bad = bit("DO_NOT_USE");
    const [none, some, not, no] = words(settings.colours.dq), { codes } = layers.dq;
    return painted((pixel) => {
      const word = codes[pixel];
      return word === 0 ? none : word & dark ? no : word & bad ? not : some;
    });
  }
  // Return the colours of the mask: not flagged, no value, low, high.
  function colouredMask() {
    const { ground, missing, low, high } = settings.colours;
    const colours = words([ground, missing, low, high]), { codes } = layers.median;
    return painted((pixel) =>
      colours[isFlagged[pixel] || (codes[pixel] === NOT_A_NUMBER ? 1 : 0)]);
  }

  // ---- Figures ---------------------------------------------------------------------------------
  const { Plotting, Models, Palettes } = Bokeh;
  const { ndarray } = Bokeh.require("core/util/ndarray");
  Bokeh.require("core/logging").logger.set_level("error"); // otherwise it says when it is idle
  const drawn = new Bokeh.Document();
  const figures = new Map(); // each with its element
  const model = (name) => drawn.get_model_by_name(name);
  const { low: LOW, high: HIGH, plain: PLAIN, missing: MISSING } = settings.colours;

  // Return an empty figure, which is drawn in the element `figure-NAME`.
  function figure(name, how) {
    const made = new Plotting.Figure({
      name: `figure-${name}`, sizing_mode: "stretch_width", height: 260, toolbar_location: "above",
      tools: ["pan", "box_zoom", "reset", "save"], background_fill_color: null,
      border_fill_color: null, outline_line_color: PLAIN, outline_line_alpha: 0.3, ...how,
    });
    made.toolbar.logo = null;
    for (const grid of made.grids) Object.assign(grid, { grid_line_color: PLAIN, grid_line_alpha: 0.3 });
    figures.set(made, element(`figure-${name}`));
    return made;
  }
  const source = (name, data) => new Models.ColumnDataSource({ name, data });
  const column = (field) => ({ field });

  const viridis = () => // bokeh has numbers: red, green, blue, opacity
    Palettes.viridis(256).map((number) => `#${number.toString(16).padStart(8, "0").slice(0, 6)}`);
  // Return colours from one end over a light middle to the other.
  function diverging() {
    const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const [low, middle, high] = [LOW, "#f4f4f4", HIGH].map(parts);
    return Array.from({ length: 255 }, (_, place) => {
      const way = place / 127 - 1, end = way < 0 ? low : high;
      const mixed = middle.map((value, i) => Math.round(value + (end[i] - value) * Math.abs(way)));
      return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
    });
  }

  // The images: their ranges, crosshair and marks are shared.
  const ranges = {
    x_range: new Models.Range1d({ start: -0.5, end: columns - 0.5, name: "x_range" }),
    y_range: new Models.Range1d({ start: -0.5, end: rows - 0.5, name: "y_range" }),
  };
  const overlay = ["width", "height"].map(
    (dimension) => new Models.Span({ dimension, line_color: PLAIN }));
  const mark = source("selected", { x: [], y: [] });
  const left = source("left", { x: settings.left.map(([x]) => x), y: settings.left.map(([, y]) => y) });
  function image(made, pixels, how = {}) {
    const data = { image: [ndarray(pixels, { dtype: "uint32", shape: [rows, columns] })] };
    return made.image_rgba({ image: column("image"), x: -0.5, y: -0.5, dw: columns, dh: rows,
      source: source(null, data), ...how });
  }
  const exposed = []; // the figures that flicker
  for (const { name, title, limits } of settings.panels) {
    const made = figure(name, {
      title, x_axis_label: "column", y_axis_label: "row", height: 440, ...ranges,
      tools: ["pan", "box_zoom", "wheel_zoom", "reset", "save"], active_scroll: "wheel_zoom",
    });
    for (const grid of made.grids) grid.visible = false;
    made.add_tools(new Models.CrosshairTool({ overlay }));
    if (limits) {
      const isExposed = name === "minimum" || name === "science";
      if (isExposed) exposed.push(made);
      const palette = isExposed ? viridis() : diverging();
      image(made, coloured(name, limits, palette));
      const [low, high] = limits;
      made.add_layout(new Models.ColorBar({
        color_mapper: new Models.LinearColorMapper({ palette, low, high }), width: 10, padding: 4,
        background_fill_alpha: 0,
      }), "right");
    }
    if (name === "dq") image(made, colouredDq());
    if (name === "mask") {
      image(made, colouredMask());
      const size = flagged.length > 5000 ? 1.5 : 2.5;
      [LOW, HIGH].forEach((color, end) => {
        const some = flagged.filter((_, i) => layers.is_high.codes[i] === end);
        const few = Array.from(some.subarray(0, settings.most_dots));
        const data = {
          x: few.map((pixel) => pixel % columns), y: few.map((pixel) => Math.floor(pixel / columns)),
        };
        made.scatter({ x: column("x"), y: column("y"), source: source(null, data), size,
          marker: "square", fill_color: color, line_color: null });
      });
    }
    made.scatter({ x: column("x"), y: column("y"), source: left, marker: "circle", size: 16,
      fill_color: null, line_color: settings.colours.left, line_width: 2 });
    made.scatter({ x: column("x"), y: column("y"), source: mark, marker: "square", size: 14,
      fill_color: null, line_color: "#ffb000", line_width: 2 });
    made.on_event("tap", (event) => { if (inside(event) !== null) select(inside(event)); });
    made.on_event("mousemove", (event) => {
      if (inside(event) !== null) element("pointer").textContent = described(inside(event));
    });
    made.on_event("mouseleave", () => {
      if (selected !== null) element("pointer").textContent = described(selected);
    });
  }

  // The profiles of the selected pixel, and the spectrum of a slice.
  for (const way of ["along", "across"]) {
    const made = figure(way,
      { x_axis_label: settings.ways[way], y_axis_label: settings.unit, height: 205 });
    const profile = source(`profile-${way}`, { x: [], minimum: [], median: [], lower: [], upper: [] });
    made.varea({ x: column("x"), y1: column("lower"), y2: column("upper"), source: profile,
      fill_color: PLAIN, fill_alpha: 0.2 });
    made.multi_line({ xs: column("xs"), ys: column("ys"), line_color: PLAIN,
      source: source(`exposures-${way}`, { xs: [], ys: [] }) });
    made.line({ x: column("x"), y: column("median"), source: profile, line_color: HIGH,
      line_dash: "dashed", line_width: 2 });
    made.line({ x: column("x"), y: column("minimum"), source: profile, line_color: LOW, line_width: 2 });
    made.scatter({ x: column("x"), y: column("minimum"), source: profile, fill_color: LOW,
      line_color: null, size: 5 });
  }
  const spectra = ["minimum", "science"].filter((name) => layers[name]);
  for (const name of spectra) {
    const made = figure(`spectrum-${name}`, {
      x_axis_label: settings.wavelengths ? "wavelength, µm" : settings.along,
      y_axis_label: `mean, ${settings.unit}`,
      y_range: new Models.Range1d({ name: `range-${name}` }),
    });
    const data = source(`spectrum-${name}`, { x: [], before: [], after: [] });
    for (const [when, line_color] of [["before", HIGH], ["after", LOW]])
      made.line({ x: column("x"), y: column(when), source: data, line_color });
  }

  for (const made of figures.keys()) drawn.add_root(made);

  // ---- Values in words -------------------------------------------------------------------------
  const short = (number) =>
    Number.isNaN(number) ? "no value" : String(Number(number.toPrecision(4)));
  function bitsOf(pixel) {
    if (!layers.dq) return "none";
    const word = layers.dq.codes[pixel];
    const set = layers.dq.bits.filter((_, place) => (word >>> place) & 1);
    return set.map((bit) => settings.bits[bit]).join(", ") || "0";
  }
  function groupWords(group) {
    const size = sizes[group], what = size > 1 ? `, a group of ${size} pixels` : "";
    return `flag ${group + 1} of ${sizes.length}${what}`;
  }
  // Return why a pixel is flagged, or is not.
  function reason(pixel, number) {
    const [low, high] = settings.cuts;
    const [end, isBeyond, cut] = isFlagged[pixel] === 3 ?
      ["high", number > high, `above ${short(high)}`] : ["low", number < low, `below ${short(low)}`];
    if (!isFlagged[pixel]) return "not flagged";
    return `flagged ${end}${isBeyond ? `: ${compared} ${cut}` : ""}`;
  }
  // The most important parts come first: a phone has no room for the others above the images.
  function described(pixel) {
    const strip = stripOf.get(pixel);
    const number = strip === undefined ? value(compared, pixel) : exact[strip];
    const parts = [
      `column ${pixel % columns}, row ${Math.floor(pixel / columns)}`,
      `minimum ${short(value("minimum", pixel))}`,
      `${compared} ${short(number)}`,
      reason(pixel, number),
    ];
    if (groupOf[pixel] >= 0) parts.push(groupWords(groupOf[pixel]));
    for (const name of ["median", "residual", "science"])
      if (name !== compared && (layers[name] || name === "residual"))
        parts.push(`${name} ${short(value(name, pixel))}`);
    parts.push(`DQ ${bitsOf(pixel)}`);
    const slice = layers.slices.codes[pixel];
    if (slice) parts.push(settings.slices[slice - 1]);
    return parts.join(" · ");
  }

  // ---- The profiles of a pixel -----------------------------------------------------------------
  const alongY = settings.along === "row";
  const FAR = 25; // times the noise
  const NEAR = 25; // pixels on each side of a pixel that is zoomed to
  let selected = null, place = -1, blanks = null;

  // Return one profile through a pixel: coordinates, minimum, median, limits, and each exposure.
  function profileOf(pixel, way) {
    const reach = settings.reach[way];
    const down = (way === "along") === alongY ? 1 : 0;
    const row = Math.floor(pixel / columns), column = pixel % columns;
    const strip = stripOf.get(pixel), count = settings.exposures.length;
    const samples = 2 * settings.reach.along + 1 + 2 * settings.reach.across + 1;
    const first = way === "along" ? 0 : 2 * settings.reach.along + 1;
    const profile = { x: [], minimum: [], median: [], lower: [], upper: [] };
    const exposures = strip === undefined ? [] : settings.exposures.map(() => []);
    const [low, high] = settings.cuts;
    for (let step = -reach; step <= reach; step++) {
      const y = row + step * down, x = column + step * (1 - down);
      if (y < 0 || y >= rows || x < 0 || x >= columns) continue;
      const here = y * columns + x, at = first + step + reach;
      const minimum = value("minimum", here), median = value("median", here);
      let noise = 1, level = median; // the cuts lie so many times the noise from this level
      if (layers.significance) {
        noise = strip === undefined ? NaN : growth(layers.noise, strip * samples + at);
        const away = value("significance", here);
        // What counts is the light nearby in both directions. The page has the noise to a few
        // percent only: far from the cuts, the running median is nearer to the truth.
        if (Math.abs(away) < FAR) level = minimum - away * noise;
      }
      profile.x.push(down ? y : x);
      profile.minimum.push(minimum);
      profile.median.push(median);
      profile.lower.push(low === null ? NaN : level + low * noise);
      profile.upper.push(high === null ? NaN : level + high * noise);
      exposures.forEach((line, number) => line.push(
        minimum + growth(layers.strips, (number * stripOf.size + strip) * samples + at)));
    }
    return { ...profile, exposures: count ? exposures : [] };
  }

  function select(pixel) {
    selected = pixel;
    if (groupOf[pixel] >= 0) place = groupOf[pixel];
    api.profiles = {};
    for (const way of ["along", "across"]) {
      const { exposures, ...profile } = profileOf(pixel, way);
      api.profiles[way] = { ...profile, exposures };
      model(`profile-${way}`).data = profile;
      model(`exposures-${way}`).data = {
        xs: exposures.map(() => profile.x), ys: exposures, exposure: exposures.map((_, i) => i),
      };
    }
    model("selected").data = { x: [pixel % columns], y: [Math.floor(pixel / columns)] };
    element("pointer").textContent = described(pixel);
    element("selected").textContent = described(pixel) +
      (stripOf.has(pixel) ? "" : " · the page holds no exposures for this pixel");
  }

  // ---- What a reader can do --------------------------------------------------------------------
  // Select the next group, or that before; show it in the images, as large as they are zoomed.
  function step(by) {
    const count = brightest.length;
    if (!count) return;
    select(brightest[place < 0 && by < 0 ? count - 1 : (place + by + count) % count]);
    const { start, end } = model("x_range");
    center(selected, Math.min((end - start) / 2, NEAR));
  }
  function move(down, right) {
    if (selected === null) return step(1);
    const row = Math.floor(selected / columns) + down, column = (selected % columns) + right;
    if (row >= 0 && row < rows && column >= 0 && column < columns) select(row * columns + column);
  }
  function center(pixel, half) {
    const row = Math.floor(pixel / columns), column = pixel % columns;
    Object.assign(model("x_range"), { start: column - half, end: column + half });
    Object.assign(model("y_range"), { start: row - half, end: row + half });
  }
  function flicker() {
    if (blanks === null) {
      const [grey] = words([MISSING]), pixels = painted((pixel) => (isFlagged[pixel] ? grey : 0));
      blanks = exposed.map((made) => image(made, pixels));
    } else {
      for (const blank of blanks) blank.visible = !blank.visible;
    }
    api.isBlanked = blanks[0].visible;
    element("flicker").setAttribute("aria-pressed", String(api.isBlanked));
    element("state").textContent = api.isBlanked ? "after: flagged pixels blanked" : "before";
  }
  const actions = {
    flicker,
    next: () => step(1),
    previous: () => step(-1),
    zoom: () => { if (selected !== null) center(selected, NEAR); },
    reset: () => {
      Object.assign(model("x_range"), { start: -0.5, end: columns - 0.5 });
      Object.assign(model("y_range"), { start: -0.5, end: rows - 0.5 });
    },
  };
  const keys = {
    f: actions.flicker, n: actions.next, p: actions.previous, z: actions.zoom, r: actions.reset,
    ArrowUp: () => move(1, 0), ArrowDown: () => move(-1, 0),
    ArrowRight: () => move(0, 1), ArrowLeft: () => move(0, -1),
  };
  for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
  document.addEventListener("keydown", (event) => {
    const isArrow = event.key.startsWith("Arrow");
    const isTyped = event.target.matches("select, input") || event.ctrlKey || event.metaKey ||
      event.altKey || (isArrow && event.target.closest("#images") === null);
    if (isTyped || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  const inside = ({ x, y }) => {
    const column = Math.round(x), row = Math.round(y);
    const is = row >= 0 && row < rows && column >= 0 && column < columns;
    return is ? row * columns + column : null;
  };
  for (const link of document.querySelectorAll("[data-pixel]"))
    link.addEventListener("click", () => {
      select(Number(link.dataset.pixel));
      actions.zoom();
      element("pictures").scrollIntoView();
    });

  // ---- The collapsed spectrum of a slice -------------------------------------------------------
  function spectrum(name) {
    const number = Number(element("slice").value);
    const length = alongY ? rows : columns;
    const sums = [0, 1, 2, 3].map(() => new Float64Array(length));
    const [sumBefore, countBefore, sumAfter, countAfter] = sums;
    layers.slices.codes.forEach((slice, pixel) => {
      if (slice !== number) return;
      const sample = value(name, pixel);
      if (!Number.isFinite(sample)) return;
      const at = alongY ? Math.floor(pixel / columns) : pixel % columns;
      sumBefore[at] += sample;
      countBefore[at] += 1;
      if (isFlagged[pixel]) return;
      sumAfter[at] += sample;
      countAfter[at] += 1;
    });
    const mean = (sum, count) => Array.from(sum, (each, i) => each / count[i]); // NaN if none
    const x = settings.wavelengths?.[number - 1] ?? Array.from(sumBefore, (_, i) => i);
    const found = { x, before: mean(sumBefore, countBefore), after: mean(sumAfter, countAfter) };
    api.spectra[name] = model(`spectrum-${name}`).data = found;
    const known = found.after.filter(Number.isFinite);
    const least = Math.min(...known), most = Math.max(...known), margin = (most - least || 1) / 4;
    if (known.length)
      Object.assign(model(`range-${name}`), { start: least - margin, end: most + margin });
  }
  element("slice").addEventListener("change", () => spectra.forEach(spectrum));

  // ---- Light and dark --------------------------------------------------------------------------
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const ink = getComputedStyle(document.body).color;
    document.documentElement.dataset.ink = scheme.matches ? "light" : "dark";
    for (const each of drawn.all_models)
      for (const name of ["axis_label_text_color", "major_label_text_color", "axis_line_color",
        "major_tick_line_color", "minor_tick_line_color", "text_color", "label_text_color"])
        if (name in each.properties && !["Scatter", "Glyph"].includes(each.type)) each[name] = ink;
  }
  scheme.addEventListener("change", paint);

  // What tests and the curious may use.
  const panels = () => settings.panels.map(({ name }) => model(`figure-${name}`));
  // Return where a pixel of an image is in the window.
  function onScreen(row, column, panel) {
    const view = Bokeh.index.find_one(panels()[panel]), frame = view.frame;
    const { left, top } = view.el.getBoundingClientRect();
    return {
      x: left + frame.x_scale.compute(column), y: top + frame.y_scale.compute(row),
    };
  }
  const api = { isBlanked: false, value, described, select, profiles: null, spectra: {}, model,
    actions, panels, onScreen };
  globalThis.report = api;
  paint();
  spectra.forEach(spectrum);
  if (flagged.length) select(brightest[0]);
  await Bokeh.embed.add_document_standalone(drawn, document.body, [...figures.values()]);
  api.seconds = (performance.now() - began) / 1000;
  document.documentElement.dataset.ready = "true";
})();
