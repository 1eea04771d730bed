// The one script of all pages. Without it everything is there, but stands still.
(() => {
  const root = document.documentElement;

  // The theme, before anything is painted.
  const themes = ["auto", "light", "dark"];
  const stored = () => {
    try {
      return localStorage.getItem("belfry-theme");
    } catch {
      return null;
    }
  };
  let theme = themes.includes(stored()) ? stored() : "auto";
  const dress = () => {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
  };
  dress();

  function offerThemes() {
    const button = document.getElementById("theme");
    if (button === null) return;
    const say = () => {
      button.textContent = `Theme: ${theme}`;
    };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      try {
        localStorage.setItem("belfry-theme", theme);
      } catch {
        // It lasts as long as this page.
      }
      dress();
      say();
    });
  }

  // Times: relative, with the whole in the reader's zone as the title.
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long" });
  const hours = new Intl.DateTimeFormat("en", { timeStyle: "short", hour12: false });
  const days = new Intl.DateTimeFormat("en", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
  const units = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
    ["second", 1],
  ];
  function ago(millis) {
    const seconds = Math.round((millis - Date.now()) / 1_000);
    const [unit, size] = units.find(([, least]) => Math.abs(seconds) >= least) ?? ["second", 1];
    return relative.format(Math.trunc(seconds / size), unit);
  }
  function lasting(millis) {
    const seconds = Math.max(0, Math.round(millis / 1_000));
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }
  function tellTimes() {
    const put = (time, text) => {
      if (time.textContent !== text) time.textContent = text;
      if (!time.title)
        time.title = absolute.format(new Date(Number(time.dataset.moment ?? time.dataset.since ?? time.dataset.clock)));
    };
    for (const time of document.querySelectorAll("time[data-moment]")) put(time, ago(Number(time.dataset.moment)));
    for (const time of document.querySelectorAll("time[data-since]"))
      put(time, `for ${lasting(Date.now() - Number(time.dataset.since))}`);
    for (const time of document.querySelectorAll("time[data-clock]")) {
      const date = new Date(Number(time.dataset.clock));
      put(time, (time.dataset.day ? days : hours).format(date));
    }
    for (const time of document.querySelectorAll("time[data-whole]"))
      time.title ||= absolute.format(new Date(Number(time.dataset.whole)));
    for (const bar of document.querySelectorAll("progress[data-since]"))
      bar.value = Math.min(bar.max, Math.max(0, Date.now() - Number(bar.dataset.since)));
  }

  // Fields for times: in the reader's zone before him, in UTC in addresses, so that these are good for everybody.
  const field = (millis) => new Date(millis).toISOString().slice(0, 16);
  function ownZone() {
    for (const input of document.querySelectorAll("input[data-utc]")) {
      const { form, name, dataset } = input;
      input.previousElementSibling.textContent = dataset.utc;
      const given = Date.parse(`${input.getAttribute("value")}Z`);
      if (given) input.value = field(given - new Date(given).getTimezoneOffset() * 60_000);
      form.addEventListener("formdata", ({ formData }) => {
        if (formData.get(name)) formData.set(name, field(new Date(formData.get(name))));
      });
    }
  }

  // Snippets: what has changed is fetched again and morphed in place; a few times at once, and then twice a second at most.
  const BURST = 4;
  const EVERY = 500;
  /** What happens together is shown together. */
  const TOGETHER = 30;
  /** What could not be had is asked for again. */
  const LATER = 5_000;
  const states = new WeakMap();

  const liveSnippets = () => [...document.querySelectorAll("[data-snippet]")];
  const concerns = (snippet, { type, data }) => {
    const { types, match = {} } = JSON.parse(snippet.dataset.live);
    return (
      types.some((one) => (one.endsWith(".") ? type.startsWith(one) : type === one)) &&
      Object.entries(match).every(([key, value]) => String(data[key]) === String(value))
    );
  };

  function refresh(snippet) {
    const state = states.get(snippet) ?? { left: BURST, at: Date.now(), timer: 0, busy: false, again: false };
    states.set(snippet, state);
    if (state.busy) {
      state.again = true;
      return;
    }
    if (state.timer !== 0) return;
    const now = Date.now();
    state.left = Math.min(BURST, state.left + (now - state.at) / EVERY);
    state.at = now;
    const wait = Math.max(TOGETHER, (1 - state.left) * EVERY);
    state.timer = setTimeout(async () => {
      state.timer = 0;
      state.busy = true;
      state.left -= 1;
      if (snippet.dataset.own !== undefined) snippet.dispatchEvent(new CustomEvent("belfry-changed"));
      else if (!(await fetchInto(snippet).catch(() => false)))
        setTimeout(() => snippet.isConnected && refresh(snippet), LATER);
      state.busy = false;
      if (!state.again) return;
      state.again = false;
      refresh(snippet);
    }, wait);
  }

  /** False if it has to be tried again. */
  async function fetchInto(snippet) {
    const answer = await fetch(snippet.dataset.snippet, { headers: { Accept: "text/html" } });
    if (!snippet.isConnected) return true;
    // Too fast, or away for a while; anything else will not get better.
    if (!answer.ok) return answer.status < 429;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
    if (fresh === null || fresh.dataset.name !== snippet.dataset.name) return true;
    for (const name of ["data-snippet", "data-live"]) {
      if (!fresh.hasAttribute(name)) snippet.removeAttribute(name);
      else snippet.setAttribute(name, fresh.getAttribute(name));
    }
    Idiomorph.morph(snippet, [...fresh.childNodes], {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: {
        // What the reader has opened stays open, what he typed stays typed.
        beforeAttributeUpdated: (name, node) =>
          !(name === "open" && node.tagName === "DETAILS") &&
          !((name === "value" || name === "checked") && node.tagName === "INPUT"),
      },
    });
    tellTimes();
    adjust();
    return true;
  }

  // The stream, and the banner that tells when it is broken.
  let source;
  /** What the stream tells of. */
  let told = new Set();
  let position = "";
  /** Whether something may have happened that no stream will tell of. */
  let missed = false;
  let staleSince = 0;
  let heard = 0;
  let pause = 1_000;

  function banner(since) {
    staleSince = since;
    const stale = document.getElementById("stale");
    if (stale === null) return;
    stale.hidden = since === 0;
    if (since !== 0)
      stale.textContent = `This page is stale: the server was heard last at ${new Date(since).toLocaleTimeString()}. It will catch up by itself.`;
  }

  function close() {
    source?.close();
    source = undefined;
  }

  const typesWanted = () => new Set(liveSnippets().flatMap((snippet) => JSON.parse(snippet.dataset.live).types));

  /** A snippet may bring others with it, which are concerned by more. */
  function adjust() {
    if (source === undefined) return;
    const wanted = typesWanted();
    if (wanted.size > 0 && [...wanted].every((type) => told.has(type))) return;
    close();
    open();
  }

  function open() {
    if (source !== undefined || liveSnippets().length === 0) return;
    told = typesWanted();
    const query = new URLSearchParams({ types: [...told].sort().join(",") });
    if (position !== "") query.set("since", position);
    else missed = true;
    const stream = new EventSource(`/web/events?${query}`);
    source = stream;
    const alive = () => {
      heard = Date.now();
    };
    stream.addEventListener("beat", alive);
    stream.addEventListener("message", ({ data, lastEventId }) => {
      alive();
      position = lastEventId || position;
      if (staleSince !== 0) banner(0);
      const event = JSON.parse(data);
      for (const snippet of liveSnippets()) if (concerns(snippet, event)) refresh(snippet);
    });
    stream.addEventListener("gap", everything);
    stream.onopen = () => {
      alive();
      pause = 1_000;
      if (staleSince !== 0) banner(0);
      if (missed) everything();
      missed = false;
    };
    stream.onerror = () => {
      if (source !== stream) return;
      close();
      if (staleSince === 0) banner(heard || Date.now());
      // A position that the server does not know any more would be refused for ever.
      position = "";
      setTimeout(open, pause);
      pause = Math.min(30_000, pause * 2);
    };
  }

  function everything() {
    for (const snippet of liveSnippets()) refresh(snippet);
  }

  function watch() {
    position = document.body.dataset.position ?? "";
    if (position === "") return;
    heard = Date.now();
    open();
    // A browser has few connections for one server: pages that nobody looks at give theirs back.
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (document.hidden) hidden = setTimeout(close, 30_000);
      else if (source === undefined && liveSnippets().length > 0) {
        position = "";
        open();
      }
    });
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      position = "";
      open();
    });
    setInterval(() => {
      // A stream that is silent for long is as good as broken.
      if (source !== undefined && Date.now() - heard > 45_000) source.onerror();
    }, 5_000);
  }

  document.addEventListener("DOMContentLoaded", () => {
    offerThemes();
    tellTimes();
    ownZone();
    setInterval(tellTimes, 1_000);
    watch();
  });
})();
