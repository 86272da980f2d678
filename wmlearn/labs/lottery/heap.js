
  // Draw the labels again: a state is how many draws were made.
  const { matches, tops, more } = book.numbers;
  const last = matches.length;
  const game = {
    start: 0,
    can(drawn) {
      const drawing = Object.keys(more).map((name) => [name, drawn < last]);
      return { ...Object.fromEntries(drawing), "start again": drawn > 0 };
    },
    press: (drawn, name) => (name in more ? Math.min(last, drawn + more[name]) : 0),
    look(drawn) {
      const heap = [];
      for (const count of matches.slice(0, drawn)) heap[count] = (heap[count] ?? 0) + 1;
      const bars = heap.map((height, count) => ["bar", tops[drawn], count, height]).filter(() => true);
      const caption = ["caption", drawn];
      return {
        sentence: [["p", drawn], caption, ["exact"]],
        chart: [caption, ["pictured"], ["axes", tops[drawn]], ...bars, ["formula", drawn], ["real"]],
        detail: [["last", drawn]],
      };
    },
  };
