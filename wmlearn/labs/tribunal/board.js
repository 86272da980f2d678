
  // The tribunal: a state is how many questions each service was asked, and what was judged.
  const { ask, budget, questions, lengths, tops, points } = book.numbers;
  const letters = Object.keys(tops);
  const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
  const leftOf = (state) => budget - sum(Object.values(state.asked));

  // Ask a service so many questions, or say why that cannot be.
  const send = (state, letter, count) => {
    const left = leftOf(state), asked = state.asked[letter];
    if (count > left) return { ...state, refused: [["spent", left, count]] };
    if (count > questions - asked) return { ...state, refused: [["asked all", questions - asked, count]] };
    return { ...state, asked: { ...state.asked, [letter]: asked + count }, last: letter, sure: false, refused: [] };
  };

  const game = {
    start: { asked: Object.fromEntries(letters.map((letter) => [letter, 0])), verdicts: {}, last: "", sure: false, over: false, refused: [] },
    can(state) {
      const { asked, sure, over } = state;
      const usable = { "hand in": !over, "yes, hand in": sure && !over };
      for (const letter of letters) {
        for (const count of ask) usable[`${letter} +${count}`] = !over && leftOf(state) > 0 && asked[letter] < questions;
        usable[`verdict on ${letter}`] = !over;
      }
      return usable;
    },
    press(state, name, word) {
      if (name === "hand in") {
        const missing = letters.filter((letter) => !(letter in state.verdicts)).join("");
        return missing ? { ...state, refused: [["missing", missing]] } : { ...state, sure: true, refused: [] };
      }
      if (name === "yes, hand in") return { ...state, over: true, refused: [] };
      const [letter, count] = name.split(" +");
      if (count) return send(state, letter, +count);
      return { ...state, verdicts: { ...state.verdicts, [name.at(-1)]: word }, sure: false, refused: [] };
    },
    look(state) {
      const { asked, verdicts, last, sure, over, refused } = state;
      const most = Math.max(...Object.values(asked));
      const axes = [lengths.find((length) => most <= length), Math.max(...letters.map((letter) => tops[letter][asked[letter]]))];
      const judged = (letter) => [letter, verdicts[letter] ?? "open", over ? "True" : "False"];
      const panel = (letter) => [
        ["service", letter, asked[letter]], ["so judged", ...judged(letter)], ["axes", ...axes],
        ["curve", ...axes, letter, asked[letter]], ["frame"], ["words", letter, asked[letter]], ["judged", ...judged(letter)],
      ];
      const given = letters.flatMap((letter) => [["comma"], ["verdict", letter, verdicts[letter] ?? "open"]]);
      let sentence = last ? ["asked", last, asked[last]] : ["opening"];
      if (sure) sentence = ["sure"];
      if (over) sentence = ["points", sum(letters.map((letter) => points[letter][verdicts[letter]]))];
      return {
        budget: [["left", leftOf(state)]],
        given: [...given.slice(1), ["all given"]],
        sentence: [sentence],
        status: refused,
        ...Object.fromEntries(letters.map((letter) => [letter, panel(letter)])),
      };
    },
  };
