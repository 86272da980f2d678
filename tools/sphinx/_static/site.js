// What scrolls sideways can be reached by the keyboard.
addEventListener("load", () => {
  for (const box of document.querySelectorAll(".cell_output .text_html, .math, pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
  }
});
