// The log viewer: loads what comes into sight, keeps at most so many lines in the page, follows a log that grows.
(() => {
  const MOST = 2_000;
  const NEAR = 1_500;

  function watch(list) {
    const snippet = list.closest(".snippet");
    const status = snippet?.querySelector("nav.pager");
    if (!snippet || !status) return;
    // From now on changes are this script's to show, not those of the script for snippets.
    snippet.dataset.own = "log";
    const state = {
      first: Number(list.dataset.first),
      next: Number(list.dataset.next),
      lines: Number(list.dataset.lines),
      finished: list.dataset.finished === "true",
    };
    let busy = false;
    let again = false;

    const atBottom = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 40;

    function tell() {
      const more = state.finished ? "" : ", and more to come";
      status.textContent = `lines ${state.first + 1} to ${state.next} of ${state.lines}${more}`;
    }

    async function read(first) {
      const answer = await fetch(`${list.dataset.url}&first=${first}`, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("ol.lines");
      if (fresh === null) return [];
      state.lines = Number(fresh.dataset.lines);
      state.finished = fresh.dataset.finished === "true";
      return [...fresh.children];
    }

    const numberOf = (line) => Number(line.id.slice(1));

    async function later() {
      // Who looks at the end of what there is follows it.
      const stay = atBottom() && !state.finished && state.next >= state.lines;
      const lines = (await read(state.next)).filter((line) => numberOf(line) >= state.next);
      if (lines.length === 0) return;
      snippet.querySelector(".empty")?.remove();
      list.append(...lines);
      state.next = numberOf(lines.at(-1)) + 1;
      const before = list.getBoundingClientRect().height;
      while (list.children.length > MOST) list.firstElementChild.remove();
      window.scrollBy(0, list.getBoundingClientRect().height - before);
      state.first = numberOf(list.firstElementChild);
      if (stay) window.scrollTo(0, document.documentElement.scrollHeight);
    }

    async function earlier() {
      const lines = (await read(Math.max(0, state.first - 500))).filter((line) => numberOf(line) < state.first);
      if (lines.length === 0) return;
      const before = list.getBoundingClientRect().height;
      list.prepend(...lines);
      window.scrollBy(0, list.getBoundingClientRect().height - before);
      while (list.children.length > MOST) list.lastElementChild.remove();
      state.first = numberOf(list.firstElementChild);
      state.next = numberOf(list.lastElementChild) + 1;
    }

    /** What is wanted now, if anything. */
    function wanted() {
      const { top, bottom } = list.getBoundingClientRect();
      if (bottom - window.innerHeight < NEAR && state.next < state.lines) return later;
      if (top > -NEAR && state.first > 0) return earlier;
      return undefined;
    }

    async function work(grown) {
      if (busy) {
        again = again || grown;
        return;
      }
      busy = true;
      try {
        // Where the end is in sight, what is new belongs behind it.
        if (grown && state.next >= state.lines) await later();
        for (let step = wanted(); step !== undefined; step = wanted()) {
          const { first, next } = state;
          await step();
          if (state.first === first && state.next === next) break;
        }
      } catch {
        // The reader can scroll on, or the next event comes.
      }
      busy = false;
      tell();
      if (!again) return;
      again = false;
      void work(true);
    }

    snippet.addEventListener("belfry-changed", () => void work(true));
    window.addEventListener("scroll", () => void work(false), { passive: true });
    tell();
    void work(false);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const list of document.querySelectorAll("ol.lines[data-url]")) watch(list);
  });
})();
