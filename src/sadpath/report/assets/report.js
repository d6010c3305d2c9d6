"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const filters = byId("filters");
  const island = byId("sadpath-data");

  const open = (id) => {
    const target = id && byId(id);
    const story = target && target.closest("details");
    if (!story) return;
    story.hidden = false;
    story.open = true;
    story.querySelector("summary").focus();
    story.scrollIntoView({ block: "start" });
  };
  const follow = () => open(decodeURIComponent(location.hash.slice(1)));
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".matrix a[href^='#']");
    if (!link) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    follow();
  });
  follow();

  if (filters && island) {
    const { clauses } = JSON.parse(island.textContent);
    const rows = [...document.querySelectorAll("tr[data-row]")];
    const [text, verdict, family] = ["filter-text", "filter-verdict", "filter-family"].map(byId);
    const apply = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const clause = clauses[Number(row.dataset.row)];
        const fits = words.every((word) => clause.text.includes(word)) &&
          (!verdict.value || clause.verdicts.includes(verdict.value)) &&
          (!family.value || clause.family === family.value);
        row.hidden = !fits;
        shown += fits;
        for (const link of row.querySelectorAll("a[href^='#']")) {
          const cell = link.parentElement;
          const story = byId(link.getAttribute("href").slice(1)).closest("details");
          story.hidden = !fits || Boolean(verdict.value && !cell.classList.contains(verdict.value));
        }
      }
      byId("filter-count").textContent = `${shown} of ${rows.length} clauses`;
    };
    filters.addEventListener("input", apply);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.hidden = false;
    apply();
  }

  const copied = async (node) => {
    try {
      await navigator.clipboard.writeText(node.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(node);
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.textContent = (await copied(byId(button.dataset.copies))) ? "Copied" : "Select and copy";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  addEventListener("beforeprint", () => {
    for (const story of document.querySelectorAll("details.story:not([open])")) {
      story.open = true;
      story.dataset.opened = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const story of document.querySelectorAll("details[data-opened]")) {
      story.open = false;
      delete story.dataset.opened;
    }
  });
})();
