// A cell that did not answer in time has nothing to show, and its card says so (cells.css).
for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, ({ detail }) => detail.elt.replaceChildren());
}
