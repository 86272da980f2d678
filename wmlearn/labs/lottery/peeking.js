
  // Keep looking: a state is who is questioned, how far, what was done with each, and how many hundreds others did.
  const { matches, tops, ask, others, bets, hundred } = book.numbers;
  const questions = matches[0].length - 1;
  const draws = others[bets].length;
  const tallies = ({ ends, hundreds }) => ({
    you: ends.map((end) => end === "accuse"),
    "a bettor beside you": others[bets].slice(0, ends.length),
    ...Object.fromEntries(Object.entries(others).map(([who, flags]) => [who, flags.slice(hundred, hundred * (hundreds + 1))])),
  });
  const tally = (flags) => [["number", flags.filter(Boolean).length], ["of"], ["number", flags.length], ["tallied"]];

  // The steps of a line; where it stays level, nothing is drawn before its end.
  const steps = (css, { innocent, asked }) => {
    const top = tops[innocent][asked];
    const found = [];
    let before = pick([css, top]).split(" ").at(-1);
    for (let i = 1; i <= asked; i += 1) {
      const key = [`${css} step`, top, i, matches[innocent][i]];
      const height = pick(key).split("V")[1] ?? before;  // where it is level whoever is asked, nothing was kept
      if (height !== before || i === asked) found.push(key);
      before = height;
    }
    return [[css, top], ...found, ["drawn"]];
  };

  const game = {
    start: { innocent: 0, asked: 0, ends: [], hundreds: 0 },
    can({ innocent, asked, ends, hundreds }) {
      const ended = ends.length > innocent;
      const asking = Object.keys(ask).map((name) => [name, asked < questions]);
      return {
        ...Object.fromEntries(asking),
        accuse: asked > 0 && !ended,
        "let go": asked > 0 && !ended,
        "next innocent": ended && innocent < hundred - 1,
        "an impatient owner does a hundred": hundred * (hundreds + 1) < draws,
      };
    },
    press(state, name) {
      const { innocent, asked, ends, hundreds } = state;
      if (name in ask) return { ...state, asked: Math.min(questions, asked + ask[name]) };
      if (name === "next innocent") return { ...state, innocent: innocent + 1, asked: 0 };
      if (name === "accuse" || name === "let go") return { ...state, ends: [...ends, name] };
      return { ...state, hundreds: hundreds + 1 };
    },
    look(state) {
      const { innocent, asked, ends } = state;
      const end = ends[innocent];
      const at = [asked, matches[innocent][asked]];
      const top = tops[innocent][asked];
      const told = Object.entries(tallies(state));
      const said = told.flatMap(([who, flags]) => [["and"], ["who", who], ...tally(flags)]);
      const rows = told.flatMap(([, flags], row) => {
        const latest = flags.slice(-hundred);
        const places = (name, accused) => latest.flatMap((flag, place) => (Boolean(flag) === accused ? [[name, row, place]] : []));
        return [["row", row], ...tally(flags), ["marks", row], ...places("mark", false), ["blocks"], ...places("block", true), ["told"]];
      });
      return {
        sentence: [end ? ["end", end] : ["p", ...at], ["name", innocent], ["matched", ...at], ...(end ? [["bettor", innocent]] : []), ["closed"]],
        chart: [["caption", ...at], ...steps("wm-counting", state), ...steps("wm-curve", state), ["ends", top, ...at]],
        "chart behind": [["axes", top]],
        detail: [...said.slice(1), ["stop"], ...rows, ["shown"]],
      };
    },
  };
