// The log viewer: goes to any line, loads what comes into sight, keeps at most so many elements, follows a log that grows.
(() => {
  const MOST = 2_000;
  const NEAR = 1_500;
  const CHUNK = 300;

  const sizeOf = (line) => line.getElementsByTagName("*").length + 1;
  const numberOf = (line) => Number(line.id.slice(1)) - 1;
  const frame = (line) => line.getBoundingClientRect();
  /** What `#L10` and `#L10-L20` say, counted from 0. */
  const rangeOf = (hash) => {
    const [, from, to = from] = /^#L(\d+)(?:-L?(\d+))?$/.exec(hash) ?? [];
    if (from === undefined) return undefined;
    return [Math.min(from, to) - 1, Math.max(from, to) - 1];
  };
  const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
  const kept = (name, value) => {
    try {
      if (value !== undefined) localStorage.setItem(`belfry-log-${name}`, value);
      return localStorage.getItem(`belfry-log-${name}`);
    } catch {
      return null;
    }
  };

  function watch(list) {
    const snippet = list.closest(".snippet");
    const bar = document.querySelector(".log-bar");
    if (!snippet || !bar) return;
    // From now on changes are this script's to show, not those of the script for snippets.
    snippet.dataset.own = "log";
    const { url } = list.dataset;
    let first = Number(list.dataset.first);
    let next = Number(list.dataset.next);
    let all = Number(list.dataset.lines);
    let finished = list.dataset.finished === "true";
    let nodes = 0;
    let follows = false;
    /** Which way the reader goes: 1 is down. */
    let way = 0;
    /** Where the page was scrolled to, by the reader or from here. */
    let last = window.scrollY;
    let busy = false;
    let again = false;
    let picked;
    let anchor;

    const follow = bar.querySelector(".follow");
    const told = bar.querySelector(".told");
    const found = document.querySelector(".hits");
    const bottom = () => document.documentElement.scrollHeight - window.innerHeight;
    const atBottom = () => window.scrollY >= bottom() - 4;
    /** As the reader would, but it tells nothing of what he wants. */
    const scroll = (y) => {
      window.scrollTo(0, y);
      last = window.scrollY;
    };
    const lineAt = (number) => document.getElementById(`L${number + 1}`);

    function say(text, brief = false) {
      told.textContent = text;
      if (!brief) return;
      setTimeout(() => {
        if (told.textContent === text) told.textContent = "";
      }, 6_000);
    }

    function tell() {
      for (const where of snippet.querySelectorAll(".where"))
        where.textContent = `lines ${first + 1} to ${next} of ${all}${finished ? "" : ", and more to come"}`;
      follow.hidden = finished;
      follow.setAttribute("aria-pressed", String(follows));
      follow.textContent = follows ? "Following" : "Follow";
      const count = next - first;
      for (const [rel, is, from] of [
        ["prev", first > 0, Math.max(1, first + 1 - count)],
        ["next", next < all, next + 1],
      ])
        for (const link of snippet.querySelectorAll(`.pager [rel=${rel}]`)) {
          link.hidden = !is;
          link.href = `${location.pathname}?from=${from}`;
        }
    }

    /** Shows which of these lines are picked. */
    function paint(lines) {
      const [from, to] = picked ?? [0, -1];
      for (const line of lines) line.classList.toggle("picked", numberOf(line) >= from && numberOf(line) <= to);
    }

    /** Items of a list, which are this viewer's own from now on. */
    function own(lines) {
      for (const line of lines) {
        const link = line.firstElementChild;
        link.tabIndex = -1;
        const [iso] = link.title.split(" ");
        line.dataset.time = `${clock.format(new Date(iso))}.${iso.slice(20, 23)}`;
      }
      paint(lines);
      return lines;
    }

    async function read(from, count, end) {
      const query = `&first=${from}&count=${count}${end ? "&end=1" : ""}`;
      const answer = await fetch(url + query, { headers: { Accept: "text/html" } });
      if (answer.status === 404) throw new Error("This log is no longer there: it may have been removed for its age.");
      if (!answer.ok)
        throw new Error(`The server could not give more lines (status ${answer.status}). It is tried again.`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("ol.lines");
      all = Number(fresh.dataset.lines);
      finished = fresh.dataset.finished === "true";
      return [...fresh.children];
    }

    /** Puts lines behind the last one or before the first; others go, unless they are in sight. Nobody sees anything move. */
    function put(lines, behind) {
      const old = [...list.children];
      const seen = (line) => frame(line).bottom > -50 && frame(line).top < window.innerHeight + 50;
      const from = old.findIndex(seen);
      const to = old.findLastIndex(seen);
      // Of what is not in sight at all, the nearer end stays.
      const spare = from < 0 ? [] : behind ? old.slice(0, from) : old.slice(to + 1).reverse();
      const still = old[from < 0 ? (behind ? old.length - 1 : 0) : from];
      const before = still ? frame(still).top : 0;
      const fits = [];
      for (const line of behind ? lines : lines.toReversed()) {
        const size = sizeOf(line);
        while (nodes + size > MOST && spare.length > 0) {
          const gone = spare.shift();
          nodes -= sizeOf(gone);
          gone.remove();
        }
        if (nodes + size > MOST) break;
        nodes += size;
        fits.push(line);
      }
      own(fits);
      if (behind) list.append(...fits);
      else list.prepend(...fits.reverse());
      if (still) scroll(window.scrollY + frame(still).top - before);
      if (list.firstElementChild === null) return;
      snippet.querySelector(".empty")?.remove();
      first = numberOf(list.firstElementChild);
      next = numberOf(list.lastElementChild) + 1;
      roam();
    }

    function replace(lines) {
      list.replaceChildren(...own(lines));
      nodes = list.getElementsByTagName("*").length;
      if (lines.length > 0) {
        snippet.querySelector(".empty")?.remove();
        first = numberOf(lines[0]);
        next = numberOf(lines.at(-1)) + 1;
      }
      roam();
    }

    /** One of the numbers is reached by the tabulator, the others by arrows from there. */
    function roam(line = list.querySelector("[tabindex='0']") ? undefined : list.firstElementChild) {
      if (!line) return;
      for (const other of list.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
      line.firstElementChild.tabIndex = 0;
    }

    const later = async () => put(await read(next, CHUNK), true);
    const earlier = async () => put(await read(Math.max(0, first - CHUNK), Math.min(CHUNK, first), true), false);

    /** What is wanted now, if anything. */
    function wanted() {
      const { top, bottom } = frame(list);
      if (way >= 0 && bottom - window.innerHeight < NEAR && next < all) return later;
      if (way <= 0 && top > -NEAR && first > 0) return earlier;
      return undefined;
    }

    /** One thing at a time; what fails is said, and tried again when the reader or the log moves on. */
    async function doing(work) {
      if (busy) return false;
      busy = true;
      try {
        await work();
      } catch (error) {
        say(error instanceof TypeError ? "The server cannot be reached. It is tried again." : error.message);
      }
      busy = false;
      tell();
      return true;
    }

    async function fill() {
      for (let step = wanted(); step !== undefined; step = wanted()) {
        const before = `${first} ${next}`;
        await step();
        if (`${first} ${next}` === before) break;
      }
    }

    async function grown() {
      const done = await doing(async () => {
        if (!follows) await read(next, 1);
        else {
          const lines = await read(next, CHUNK);
          if (all - next > CHUNK) await toEnd();
          else put(lines, true);
          scroll(bottom());
          if (finished) follows = false;
        }
        if (/^The server/.test(told.textContent)) say("");
        await fill();
      });
      if (!done) again = true;
      else if (again) {
        again = false;
        void grown();
      }
    }

    async function toEnd() {
      replace(await read(-CHUNK, CHUNK, true));
      scroll(bottom());
    }

    /** Waits for its turn: a wish of the reader is not left out. */
    function wish(work) {
      const attempt = async () => {
        if (!(await doing(work))) setTimeout(attempt, 20);
        else void doing(fill);
      };
      return attempt();
    }

    const goTo = (number, focus) =>
      wish(async () => {
        say("");
        let line = lineAt(number);
        if (line === null) {
          const lines = await read(Math.max(0, number - 20), CHUNK);
          if (lines.length > 0) replace(lines);
          else await toEnd();
          line = lineAt(number) ?? list.lastElementChild;
          if (number >= all) say(`There is no line ${number + 1}${finished ? "" : " yet"}. The last one is ${all}.`);
        }
        follows = false;
        way = 0;
        line?.scrollIntoView({ block: "center" });
        last = window.scrollY;
        if (line) roam(line);
        if (focus) line?.firstElementChild.focus({ preventScroll: true });
      });

    /** Shows what is picked, and puts it into the address. */
    function pick(range, quiet) {
      picked = range;
      paint(list.children);
      if (quiet) return;
      const [from, to] = range;
      const place = new URL(location.href);
      place.searchParams.set("from", Math.max(1, from - 4));
      place.hash = from === to ? `L${from + 1}` : `L${from + 1}-L${to + 1}`;
      history.replaceState(null, "", place);
      say(
        from === to ? `Line ${from + 1} is in the address.` : `Lines ${from + 1} to ${to + 1} are in the address.`,
        true,
      );
    }

    function pickTo(number, extend) {
      if (!extend || anchor === undefined) anchor = number;
      pick([Math.min(anchor, number), Math.max(anchor, number)]);
    }

    // What was found: from hit to hit, as far as they are known here; their links know the others.
    const hits = JSON.parse(found?.dataset.hits ?? "[]");
    let hit = 0;
    function step(by) {
      const link = found?.querySelector(by > 0 ? "[rel=next]" : "[rel=prev]");
      if (hits[hit + by] === undefined) {
        const number = by > 0 ? found?.dataset.next : undefined;
        if (number) {
          const place = new URL(location.href);
          place.searchParams.delete("from");
          place.searchParams.set("hit", Number(number) + 1);
          place.hash = "";
          location.assign(place);
        } else if (by < 0 && hit === 0 && link) location.assign(link.href);
        else say(found ? "There is no other one." : "Nothing is looked for yet.", true);
        return;
      }
      hit += by;
      const at = found.querySelector(".at");
      at.textContent = Number(found.dataset.before) + hit + 1;
      anchor = hits[hit];
      pick([anchor, anchor]);
      void goTo(anchor).then(() => say(""));
    }
    found?.addEventListener("click", (event) => {
      const rel = event.target.closest("a")?.rel;
      if ((rel !== "next" && rel !== "prev") || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      step(rel === "next" ? 1 : -1);
    });

    const ways = {
      first: () => goTo(0).then(() => scroll(0)),
      end: () =>
        wish(async () => {
          say("");
          await toEnd();
          follows = !finished;
          way = 1;
        }),
    };
    bar.addEventListener("click", (event) => {
      const go = ways[event.target.closest("a")?.dataset.go];
      if (go === undefined || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      void go();
    });
    follow.addEventListener("click", () => {
      if (!follows) void ways.end();
      else {
        follows = false;
        tell();
      }
    });

    for (const button of bar.querySelectorAll("[data-switch]")) {
      const name = button.dataset.switch;
      const dress = (on) => {
        list.classList.toggle(name, on);
        button.setAttribute("aria-pressed", String(on));
      };
      dress(kept(name) === null ? list.classList.contains(name) : kept(name) === "1");
      button.addEventListener("click", () => {
        const on = !list.classList.contains(name);
        kept(name, on ? "1" : "0");
        dress(on);
      });
    }
    for (const part of bar.querySelectorAll(".switches")) part.hidden = false;

    list.addEventListener("click", (event) => {
      const link = event.target.closest("a.number");
      if (link === null || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      pickTo(numberOf(link.parentElement), event.shiftKey);
      roam(link.parentElement);
    });
    list.addEventListener("keydown", (event) => {
      const by = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      const line = event.target.closest("a.number")?.parentElement;
      const other = by && line?.[by];
      if (!other) return;
      event.preventDefault();
      if (event.shiftKey) {
        anchor ??= numberOf(line);
        pickTo(numberOf(other), true);
      }
      roam(other);
      other.firstElementChild.focus();
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
      const act = {
        "/": () => bar.querySelector("[name=find]").select(),
        n: () => step(1),
        N: () => step(-1),
        e: () => {
          if (found && new URLSearchParams(location.search).has("errors")) return step(1);
          const line = [...list.children].find((one) => frame(one).top >= 0) ?? list.lastElementChild;
          location.assign(`${bar.querySelector("[data-go=errors]").href}&hit=${line ? numberOf(line) + 1 : 1}`);
        },
        g: ways.first,
        G: ways.end,
      }[event.key];
      if (act === undefined) return;
      event.preventDefault();
      void act();
    });

    window.addEventListener(
      "scroll",
      () => {
        const y = window.scrollY;
        if (y !== last) way = y > last ? 1 : -1;
        if (atBottom()) follows ||= !finished && way > 0 && next >= all;
        else if (way < 0) follows = false;
        last = y;
        void doing(fill);
      },
      { passive: true },
    );
    window.addEventListener("hashchange", () => {
      const range = rangeOf(location.hash);
      if (range === undefined) return;
      anchor = range[0];
      pick(range, true);
      void goTo(range[0], true);
    });
    snippet.addEventListener("belfry-changed", () => void grown());

    const marked = list.querySelector(".picked");
    const range = rangeOf(location.hash) ?? (marked ? [numberOf(marked), numberOf(marked)] : undefined);
    replace([...list.children]);
    tell();
    if (range !== undefined) {
      history.scrollRestoration = "manual";
      anchor = range[0];
      pick(range, true);
      void goTo(range[0]);
    } else if (location.hash === "#end") void ways.end();
    else {
      // Who sees all that there is so far, wants to see what comes.
      follows = !finished && next >= all && atBottom();
      void doing(fill);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const list = document.querySelector("ol.lines[data-url]");
    if (list !== null) watch(list);
  });
})();
