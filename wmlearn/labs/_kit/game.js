
  // The script of a game: presses lead from state to state, and pieces that were kept are put together for each.
  // The game before this, `game`, says where it starts, what can be pressed, where that leads, and which pieces show it.
  let state = game.start;
  const buttons = root.querySelectorAll("[data-press]");
  const scope = Math.random();      // two pages in one document do not share their choices

  const pick = ([name, ...at]) => at.reduce((table, key) => table?.[key], book.slim[phone.matches && name] ?? book.wide[name]) ?? "";
  const render = (moved) => {
    const can = game.can(state), look = game.look(state);
    for (const button of buttons) button.disabled = !can[button.dataset.press];
    const html = (name) => [[name], ...(look[name] ?? [])].map(pick).join("");
    show(book.places.map((name, p) => (name ? html(name) : shown[p])), moved === true);
  };
  for (const button of buttons) {
    if (button.name) button.name += scope;
    button.addEventListener(button.name ? "change" : "click", () => {
      state = game.press(state, button.dataset.press, button.value);
      render(true);
    });
  }
  root.querySelector(".wm-anew")?.addEventListener("click", () => {
    state = game.start;
    for (const button of buttons) button.checked = false;
    render(true);
  });
  begin(render);
