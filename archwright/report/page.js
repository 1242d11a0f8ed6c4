// Tooltips from the <title> of what lies under the pointer, and tables that sort by their heads.
// Without this script the page loses nothing but these two.
(function () {
  "use strict";
  var tip = document.createElement("div");
  tip.id = "tip";
  document.body.appendChild(tip);

  function show(event) {
    var mark = event.target.closest && event.target.closest(".dot, .ring, .mark, .beyond, .box");
    if (mark && mark.dataset.tip === undefined) {
      // The browser would show its own, later and plainer.
      var title = mark.querySelector("title");
      mark.dataset.tip = title ? title.textContent : "";
      if (title) title.remove();
    }
    if (!mark || !mark.dataset.tip) {
      tip.style.display = "none";
      return;
    }
    tip.textContent = mark.dataset.tip;
    tip.style.display = "block";
    var x = event.clientX + 14, y = event.clientY + 14;
    if (x + tip.offsetWidth > innerWidth - 8) x = Math.max(8, event.clientX - tip.offsetWidth - 12);
    if (y + tip.offsetHeight > innerHeight - 8) y = Math.max(8, event.clientY - tip.offsetHeight - 12);
    tip.style.left = x + "px";
    tip.style.top = y + "px";
  }
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);

  document.querySelectorAll("table.sorts").forEach(function (table) {
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      head.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        function key(row) {
          var cell = row.cells[column];
          var text = cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
          return text === "" ? null : isNaN(text) ? text : Number(text);
        }
        var rows = Array.from(table.tBodies[0].rows);
        rows.sort(function (a, b) {
          var x = key(a), y = key(b);
          if (x === null || y === null) return (x === null) - (y === null);
          var numbers = typeof x === "number" && typeof y === "number";
          var order = numbers ? x - y : String(x).localeCompare(String(y));
          return down ? -order : order;
        });
        rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
      });
    });
  });
})();
