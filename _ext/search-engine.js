// Ranks the entries of the search index: BM25F, in which a word of a title counts more than one of the
// text; with synonyms, both spellings, prefixes, and a typing error where nothing else is found.
// `engine(data)` returns `search(query, limit)`: hits, best first, and `parts(text)`, which splits a
// text at the words that were found. `search.with(texts)` is a search that knows what the entries say.
function engine(data, said = []) {
  const STOP = new Set(
    ("a about all am an and any are as at be because been but by can could did do does for from had has " +
      "have how i if in into is it its may me more most much must my no not of on one should so some such than " +
      "that the their them then there these they this those to was we were what when where which " +
      "use used using need needs versus vs while who why will with work works working would you your " +
      "between difference explain formula").split(" "),
  );
  const FIELDS = { title: [6, 0.5], stressed: [3, 0.5], around: [3, 0.3], text: [1, 0.6] }; // weight, b: BM25F
  const SATURATION = 1.2;
  const UNKNOWN = 6; // the weight of a word that the book does not have
  const FILLER = 0.2; // what a word such as "which" counts
  const KINDS = { chapter: 1.1, part: 0.8, term: 1.15, question: 1.05, exercise: 0.75, API: 0.8 };
  const NAMED = new Set(["chapter", "part"]);
  const BY_NAME = 3; // what it counts that a query is the name of one of these
  // Every chapter has these sections; what a section of its own says is more to the point.
  const STANDARD = new Set(
    ["From scratch", "Beside the library", "On real data", "On trial", "Summary", "Exercises", "Questions readers ask"],
  );
  const NAMES =
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu " +
    "nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega"; // from α on, ς among them
  const GREEK = Object.fromEntries(NAMES.split(" ").map((name, at) => [String.fromCharCode(0x3b1 + at), name]));
  const WORD = /[\p{L}\p{N}]+/gu;
  const stemmer = new Stemmer();

  // British and American spellings become one: what it looks like does not matter.
  const spell = (word) => word.replace(/z/g, "s").replace(/our/g, "or").replace(/ll(ed|ing|er)$/, "l$1");
  const suffix = /(..)is(e[drs]?|ers|ing|ations?|ational)$/;
  const known = new Map(); // word: [its stem, the word as it is spelt]
  function keysOf(word) {
    let keys = known.get(word);
    if (!keys) {
      const spelt = spell(word);
      keys = [stemmer.stemWord(spelt.replace(suffix, "$1iz$2")), `=${spelt}`];
      known.set(word, keys);
    }
    return keys;
  }
  const stem = (word) => keysOf(word)[0];

  const clean = (text) =>
    text
      .replace(/([a-z])([A-Z][a-z])/g, "$1-$2") // LayerNorm is layer-norm
      .normalize("NFKD")
      .replace(/[\u0300-\u036f'’]/g, "")
      .toLowerCase()
      .replace(/√/g, " sqrt ")
      .replace(/[α-ω]/g, (letter) => ` ${GREEK[letter] ?? letter} `);

  // The words of a text in order, and beside them those that hyphens and the like join.
  function words(text) {
    const found = clean(text);
    const joined = found.match(/[\p{L}\p{N}]+(?:[-‐–_.][\p{L}\p{N}]+)+/gu) ?? [];
    return [found.match(WORD) ?? [], joined.map((word) => word.replace(/[^\p{L}\p{N}]/gu, ""))];
  }

  // Synonyms: where a phrase of a group stands in a text, the group's number stands there as well.
  const phrases = new Map(); // first stem: [all stems, group]
  data.synonyms.forEach((group, number) => {
    for (const phrase of group) {
      const sequence = words(phrase)[0].map(stem);
      if (!phrases.has(sequence[0])) phrases.set(sequence[0], []);
      phrases.get(sequence[0]).push([sequence, `#${number}`]);
    }
  });
  const groupsAt = (sequence, place) =>
    (phrases.get(sequence[place]) ?? []).filter(([phrase]) =>
      phrase.every((part, offset) => sequence[place + offset] === part),
    );

  // All that a sequence of stems is called: itself, and the groups of synonyms of the whole of it.
  const namesOf = (sequence) => [
    sequence.join(" "),
    ...groupsAt(sequence, 0)
      .filter(([phrase]) => phrase.length === sequence.length)
      .map(([, group]) => group),
  ];

  const entries = [];
  for (const [url, page, found] of data.pages) {
    for (const [kind, title, anchor, section, stressed] of found) {
      const text = said[entries.length] ?? "";
      entries.push({ kind, title, page, section, text, stressed, url, anchor, titleKeys: new Set() });
    }
  }
  const postings = new Map(); // key: [[entry, weight], …]; a title has its words as they are spelt as well
  const texts = entries.map((entry) => ({
    title: words(entry.title),
    stressed: words(entry.stressed),
    around: words(`${entry.section} ${entry.page}`),
    text: words(entry.text),
  }));
  const average = (field) =>
    texts.reduce((sum, text) => sum + text[field][0].length, 0) / entries.length || 1;
  const fields = Object.entries(FIELDS).map(([field, [weight, b]]) => [field, weight, b, average(field)]);
  entries.forEach((entry, number) => {
    for (const [field, weight, b, usual] of fields) {
      const [list, joined] = texts[number][field];
      const share = weight / (1 - b + (b * list.length) / usual);
      const add = (key) => {
        let found = postings.get(key);
        if (!found) postings.set(key, (found = []));
        const last = found.at(-1);
        if (last?.[0] === number) last[1] += share;
        else found.push([number, share]);
        if (field === "title") entry.titleKeys.add(key);
      };
      const sequence = list.map(stem);
      for (const word of list) keysOf(word).slice(0, field === "text" ? 1 : 2).forEach(add);
      for (const word of joined) add(stem(word));
      new Set(sequence.flatMap((_, at) => groupsAt(sequence, at).map(([, group]) => group))).forEach(add);
      if (field === "title" && NAMED.has(entry.kind)) entry.names = new Set(namesOf(sequence));
      if (field === "title") entry.titleWords = list.filter((word) => !STOP.has(word)).map(stem);
    }
  });
  const surfaces = [...known].map(([, [key, spelt]]) => [spelt.slice(1), key]);
  const rarity = (key) => {
    const count = postings.get(key)?.length ?? 0;
    return Math.log(1 + (entries.length - count + 0.5) / (count + 0.5));
  };

  // Whether one letter added, left out, changed, or exchanged with its neighbour makes one of the other.
  function near(a, b) {
    if (Math.abs(a.length - b.length) > 1) return false;
    let start = 0;
    while (start < a.length && a[start] === b[start]) start += 1;
    const rest = (word, skip) => word.slice(start + skip);
    return (
      rest(a, 1) === rest(b, 1) ||
      rest(a, 1) === rest(b, 0) ||
      rest(a, 0) === rest(b, 1) ||
      (a[start] === b[start + 1] && a[start + 1] === b[start] && rest(a, 2) === rest(b, 2))
    );
  }

  // What a word of a query may mean: [key, weight].
  function meanings(word, last) {
    const [key, exact] = keysOf(word);
    const spelt = exact.slice(1);
    const found = new Map();
    const add = (meant, weight) => {
      if (postings.has(meant)) found.set(meant, Math.max(weight, found.get(meant) ?? 0));
    };
    add(exact, 1);
    add(key, 0.9);
    for (const [phrase, group] of groupsAt([key], 0)) if (phrase.length === 1) add(group, 0.9);
    if ((last && word.length > 1) || (found.size === 0 && word.length > 3)) {
      const start = word.length > 4 ? spelt.replace(/is?$/, "") : spelt; // initialis-, initializ-
      for (const [other, meant] of surfaces) if (other.startsWith(start)) add(meant, 0.6);
    }
    if (found.size === 0 && word.length > 5) {
      const begin = spelt[0]; // an error in the first letter is rare, and another word begins like it
      for (const [other, meant] of surfaces) if (other[0] === begin && near(spelt, other)) add(meant, 0.6);
    }
    return [...found];
  }

  // The slots of a query: its words, and the phrases in it that have synonyms.
  function slots(query) {
    const [list, joined] = words(query);
    const typing = !/[\s?]$/.test(query);
    const sequence = list.map(stem);
    const phrase = list.map(() => 1);
    const found = joined.map((word) => meanings(word, false));
    sequence.forEach((_, at) => {
      for (const [parts, group] of groupsAt(sequence, at)) {
        if (parts.length > 1 && postings.has(group)) {
          found.push([[group, 1]]);
          parts.forEach((__, offset) => (phrase[at + offset] = 0.6)); // said by the group
        }
      }
    });
    list.forEach((word, at) => {
      const part = STOP.has(word) ? FILLER : phrase[at];
      const told = meanings(word, typing && at === list.length - 1 && part !== FILLER);
      found.push(told.map(([key, weight]) => [key, weight * part]));
    });
    return found;
  }

  function search(query, limit = 20) {
    const asked = slots(query);
    const scores = new Map();
    const marked = new Set();
    let whole = 0;
    for (const slot of asked) {
      const best = new Map();
      for (const [key, weight] of slot) {
        marked.add(key);
        const rare = rarity(key.startsWith("=") ? stem(key.slice(1)) : key);
        for (const [number, share] of postings.get(key)) {
          const score = (weight * rare * share) / (share + SATURATION);
          if (score > (best.get(number)?.[0] ?? 0)) best.set(number, [score, weight * rare, key]);
        }
      }
      whole += slot.length ? Math.max(...[...best.values()].map(([, covered]) => covered)) : UNKNOWN;
      for (const [number, [score, covered, key]] of best) {
        const sum = scores.get(number) ?? { score: 0, covered: 0, inTitle: 0 };
        sum.score += score;
        sum.covered += covered;
        if (entries[number].titleKeys.has(key)) sum.inTitle += covered;
        scores.set(number, sum);
      }
    }
    const names = namesOf(words(query)[0].map(stem));
    const asksFor = /^(?:why|which|how|when|where|do|does|is|are|can|must|should)\b/i.test(query.trim());
    const hits = [...scores].map(([number, { score, covered, inTitle }]) => {
      const entry = entries[number];
      const asked = entry.titleWords.filter((key) => marked.has(key)).length;
      const title = (asked / (entry.titleWords.length || 1)) * (inTitle / whole); // 1: it is the query
      let rank = score * (covered / whole) * (1 + title) * (KINDS[entry.kind] ?? 1);
      if (names.some((name) => entry.names?.has(name))) rank *= BY_NAME;
      if (STANDARD.has(entry.title)) rank *= 0.8;
      if (asksFor && entry.kind === "term") rank *= 0.7; // a question wants no definition
      return [rank, entry];
    });
    hits.sort((a, b) => b[0] - a[0]);
    const isMarked = (word) => {
      const key = stem(word);
      return marked.has(key) || groupsAt([key], 0).some(([, group]) => marked.has(group));
    };
    return {
      total: hits.length,
      hits: hits.slice(0, limit).map(([score, entry]) => ({ ...entry, score })),
      parts: (text) => split(text, isMarked),
    };
  }

  // A text in pieces: [piece, whether it is a word that was found].
  function split(text, isMarked) {
    const pieces = [];
    let end = 0;
    for (const match of text.matchAll(/[\p{L}\p{N}]+(?:[’'][\p{L}\p{N}]+)*/gu)) {
      if (!words(match[0])[0].some(isMarked)) continue;
      if (match.index > end) pieces.push([text.slice(end, match.index), false]);
      end = match.index + match[0].length;
      pieces.push([match[0], true]);
    }
    if (end < text.length) pieces.push([text.slice(end), false]);
    return pieces;
  }

  search.with = (texts) => engine(data, texts);
  search.whole = said.length > 0;
  return search;
}
