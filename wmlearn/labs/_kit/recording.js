
  // The script of a recorded lab: it builds the inputs, and shows what was kept for their positions.
  const rows = book.inputs.map((_, k) => root.querySelector(`[data-input="${k}"]`));
  const at = [...book.start];       // the position of each input
  const left = {};                  // where an input with positions of its own was left, by the choices before it
  const built = [];                 // of each input: which list it was built from, and what moves it

  const element = (tag, given, ...inside) => {
    const made = Object.assign(document.createElement(tag), given);
    made.append(...inside);
    return made;
  };

  // Each builds an input in its row, and returns what puts it at a position.
  const inputs = {
    radio(row, k, name, labels) {
      const group = `${name} ${k} ${Math.random()}`;
      const each = labels.map((_, i) => element("input", { type: "radio", name: group, onchange: () => go(k, i) }));
      const named = each.map((input, i) => element("label", {}, input, labels[i]));
      row.append(element("fieldset", {}, element("legend", {}, name), ...named));
      return (i) => { each[i].checked = true; };
    },
    menu(row, k, name, labels) {
      const options = labels.map((label) => element("option", {}, label));
      const menu = element("select", { onchange: () => go(k, menu.selectedIndex) }, ...options);
      row.append(element("label", {}, name, menu));
      return (i) => { menu.selectedIndex = i; };
    },
    slider(row, k, name, labels) {
      const max = labels.length - 1;
      const slider = element("input", { type: "range", min: 0, max, ariaLabel: name, oninput: () => go(k, +slider.value) });
      const counts = labels.every((label, i) => label === String(i));
      const typed = counts
        ? element("input", { type: "number", min: 0, max, ariaLabel: `${name}, typed`,
            oninput: () => { if (typed.value !== "" && typed.checkValidity()) go(k, +typed.value); } })
        : element("span", { className: "wm-at", ariaHidden: "true" });
      row.append(name, slider, typed);
      return (i) => {
        slider.value = i;
        slider.setAttribute("aria-valuetext", labels[i]);
        if (!counts) typed.textContent = labels[i];
        else if (typed.value !== labels[i]) typed.value = labels[i];
      };
    },
  };

  // Put every input where it belongs after input k was moved, and return the state that was kept for that.
  const settle = (moved) => {
    let node = book.tree;
    book.inputs.forEach(({ how, own }, k) => {
      const [listed, below] = node;
      const before = at.slice(0, k).join();
      if (own && moved >= 0 && moved !== k) at[k] = left[before] ?? 0;
      if (own) left[before] = at[k];
      if (built[k]?.listed !== listed) {
        const [name, ...labels] = book.lists[listed];
        rows[k].replaceChildren();
        built[k] = { listed, put: inputs[how](rows[k], k, name, labels) };
        for (const input of rows[k].querySelectorAll("input, select")) quieten(input);
      }
      const place = Math.min(at[k], below.length - 1);
      rows[k].hidden = below.length < 2;  // nothing to choose
      built[k].put(place);
      node = below[place];
    });
    return node;
  };

  const move = (moved) => {
    const state = settle(moved);
    const first = phone.matches ? places.length : 0;
    const html = (fragment) => book.fragments[fragment].map((piece) => book.pieces[piece]).join("");
    show(places.map((_, p) => html(state[first + p])), moved >= 0);
  };
  const go = (k, i) => { at[k] = i; move(k); };
  begin(() => move(-1));
