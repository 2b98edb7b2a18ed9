// The hop in the runtime's own language, because every call out of wasm costs: headers cross as one text, edits come
// back as one, and between request and answer nothing is awaited in wasm. What to change is decided there, all of it.

const encoder = new TextEncoder();

// The headers of a request or an answer, a line `name,value` each. No name has a comma, no value a line feed. As bytes:
// a string would be looked at letter by letter on its way.
export function lines(message) {
  return encoder.encode(Array.from(message.headers).join("\n"));
}

// Sends `request` to an origin with edited headers, and resolves to the answer with edited headers; a body is passed from
// one stream to the other. Redirects are the browser's to follow. `answered` is told status and headers, and says what to
// change, or undefined for an answer that must not pass; `unreachable` makes the answer when there is none. `timing`:
// whether the browser is told how long the origin took. `book` and `line` are for `conclude`, `all` whether also of success.
export async function hop(request, url, edits, personal, navigation, timing, all, book, line, answered, unreachable) {
  const { method, body } = request;
  // The cache in front of an origin knows neither sessions nor tokens (CC-01): what is for one person is neither looked
  // up there nor stored.
  const cache = personal ? "no-store" : undefined;
  const began = Date.now();
  const took = () => Date.now() - began;
  try {
    const headers = new Headers(request.headers);
    edit(headers, edits);
    const answer = await fetch(url, { method, headers, body, redirect: "manual", cache });
    let changes = answered(answer.status, lines(answer), personal);
    if (changes !== undefined) {
      conclude(book, all, line, answer.status, took());
      if (timing && answer.status !== 101) changes += `\n+server-timing,origin;dur=${took()}`;
      return changes === "" ? answer : edited(answer, changes);
    }
  } catch {
    // As good as none.
  }
  const none = unreachable(navigation);
  conclude(book, true, line, none.status, took(), "Unreachable");
  return none;
}

// Writes what came of a request: a line of the log, when it is to have one, and a point in the operator's `book` of
// figures, when there is one. `line` is a JSON object without its closing brace.
export function conclude(book, written, line, status, ms, cause) {
  const because = cause === undefined ? "" : `,"cause":${JSON.stringify(cause)}`;
  if (written) console.log(`${line},"status":${status},"ms":${ms}${because}}`);
  if (book === undefined) return;
  const { rule = -1, session, outcome } = JSON.parse(`${line}}`);
  book.writeDataPoint({ indexes: [String(rule)], blobs: [session, outcome, String(status)], doubles: [1, ms] });
}

// Whether a rate limit lets somebody through.
export async function within(limit, key) {
  return (await limit.limit({ key })).success;
}

// A copy of an answer with other headers; the same stream, status and encoding.
export function edited(answer, edits) {
  const copy = new Response(answer.body, answer);
  edit(copy.headers, edits);
  return copy;
}

// A line each: `-name`, `=name,value` or `+name,value`.
function edit(headers, edits) {
  for (const line of edits.split("\n")) {
    const comma = line.indexOf(",");
    switch (line[0]) {
      case "-": headers.delete(line.slice(1)); break;
      case "=": headers.set(line.slice(1, comma), line.slice(comma + 1)); break;
      case "+": headers.append(line.slice(1, comma), line.slice(comma + 1)); break;
    }
  }
}
