"use strict";
// The page shows all samples one below the other; this makes it show one at a time, with keys, search and filters.
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const one = (id) => document.getElementById(id);
  const links = all(".strip a");
  const byId = new Map(links.map((link) => [link.hash.slice(1), link]));
  if (!links.length) return;
  const body = document.body;
  body.classList.add("script");

  const found = () => links.filter((link) => !link.hidden);
  let here = null;

  function show(link) {
    here = link;
    for (const other of all("article.here, .strip .here")) other.classList.remove("here");
    const article = one(link.hash.slice(1));
    article.classList.add("here");
    link.classList.add("here");
    const strip = link.parentElement;
    strip.scrollLeft = link.offsetLeft - strip.offsetLeft - (strip.clientWidth - link.offsetWidth) / 2;
    const place = article.querySelector(".filters-here");
    if (place) place.append(one("filters"));
    count();
  }

  function count() {
    const list = found();
    const at = list.indexOf(here);
    one("place").textContent = `${at + 1 || "-"} / ${list.length}`;
    one("before").disabled = at <= 0;
    one("after").disabled = at < 0 || at + 1 >= list.length;
  }

  function go(link) {
    if (!link || link === here) return;
    history.replaceState(null, "", link.hash);
    show(link);
  }

  const step = (by) => go(found()[found().indexOf(here) + by]);

  one("before").addEventListener("click", () => step(-1));
  one("after").addEventListener("click", () => step(1));
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(link);
    });
  }
  window.addEventListener("hashchange", () => go(byId.get(location.hash.slice(1))));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input[type=search], input[type=range]");
    if (event.key === "Escape" && typing) event.target.blur();
    else if (typing) return;
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "Home") go(found()[0]);
    else if (event.key === "End") go(found().at(-1));
    else if (event.key === "/") one("search").focus();
    else return;
    event.preventDefault();
  });

  one("search").addEventListener("input", (event) => {
    const wanted = event.target.value.split(/\s+/).filter(Boolean);
    // Rules are single capitals: they are compared as whole words, all else by part and without regard to case.
    const fits = (words, word) =>
      /^[ABC]$/.test(word) ? words.split(" ").includes(word) : words.toLowerCase().includes(word.toLowerCase());
    for (const link of links) link.hidden = !wanted.every((word) => fits(link.dataset.words, word));
    const list = found();
    if (list.length && !list.includes(here)) go(list[0]);
    count();
  });

  for (const box of all("[data-layer]")) {
    box.addEventListener("change", () => body.classList.toggle(`off-${box.dataset.layer}`, !box.checked));
  }
  one("veil").addEventListener("input", (event) => body.style.setProperty("--veil", event.target.value / 100));

  const rules = document.head.appendChild(document.createElement("style"));
  function filter() {
    const off = all("[data-hide]").filter((box) => !box.checked).map((box) => `.pair.${box.dataset.hide}`);
    rules.textContent = off.length ? `${off.join(",")}{display:none}` : "";
  }
  for (const box of all("[data-hide]")) box.addEventListener("change", filter);
  filter();

  for (const figure of all("figure.zoom .stack")) {
    figure.addEventListener("click", () => figure.parentElement.classList.toggle("open"));
  }

  // Pointing at an object, a region or a pair lights it up everywhere in its sample.
  document.addEventListener("mouseover", (event) => {
    for (const lit of all(".lit")) lit.classList.remove("lit");
    for (const lighting of all(".lighting")) lighting.classList.remove("lighting");
    const article = event.target.closest("article.sample");
    const thing = event.target.closest("[data-object], [data-loose], .pair");
    if (!article || !thing) return;
    if (thing.matches(".pair")) {
      thing.classList.add("lit");
      article.querySelector(".told").textContent = thing.dataset.told;
      return;
    }
    const [name, value] = Object.entries(thing.dataset)[0];
    for (const same of all(`[data-${name}="${value}"]`, article)) same.classList.add("lit");
    article.classList.add("lighting");
  });

  show(byId.get(location.hash.slice(1)) ?? links[0]);
})();
