  // What the page of every lab has: what was kept of it, places that show it, one place that speaks.
  "use strict";
  const root = document.currentScript.parentElement;
  const packed = Uint8Array.from(atob(root.querySelector("script").textContent), (sign) => sign.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const book = JSON.parse(await new Response(unpacked).text());
  const places = [...root.querySelectorAll("[data-place]")].sort((a, b) => a.dataset.place - b.dataset.place);
  const phone = matchMedia("(max-width: 600px)");
  const shown = [];                 // what is at each place

  // Show HTML, place by place; what is there already stays.
  let rest;
  const show = (fragments, moved) => {
    places.forEach((place, p) => {
      if (shown[p] !== fragments[p]) place.innerHTML = shown[p] = fragments[p];
    });
    clearTimeout(rest);  // read out when the hand rests, not at every place of a held key
    if (moved) rest = setTimeout(() => { root.querySelector(".wm-said").textContent = spoken(); }, 400);
  };
  const spoken = () => (root.querySelector(".wm-error") ?? root.querySelector(".wm-verdict, .wm-told"))?.innerText ?? "";

  // What scrolls sideways can be reached by the keyboard.
  const reach = () => {
    for (const place of places) {
      const wide = place.scrollWidth > place.clientWidth + 1 && place.clientWidth > 0;
      const given = { tabindex: 0, role: "group", "aria-label": "drawing, scrolls sideways" };
      for (const [name, value] of Object.entries(given)) wide ? place.setAttribute(name, value) : place.removeAttribute(name);
    }
  };

  // Show the page for the first time, by `render`, and again where its width has drawings of its own.
  const begin = (render) => {
    const more = root.querySelector(".wm-more");
    more?.addEventListener("click", () => {
      const opened = root.classList.toggle("wm-open");
      more.setAttribute("aria-expanded", opened);
      more.textContent = opened ? "less" : "more";
      reach();
    });
    for (const input of root.querySelectorAll("input, select, button")) quieten(input);
    phone.addEventListener("change", render);
    addEventListener("resize", reach);
    render();
    reach();
    root.dataset.ready = performance.now();
  };
  const quieten = (input) => { input.dataset.lmSuppressShortcuts = true; };  // or JupyterLab takes the keys
