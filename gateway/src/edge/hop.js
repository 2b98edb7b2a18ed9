// The hop in the runtime's own language, because every call out of wasm costs: headers cross as one text, edits come
// back as one, and between request and answer nothing is awaited in wasm. What to change is decided there, all of it.

import { ended, until } from "./stream.js";

const encoder = new TextEncoder();

// The headers of a request or an answer, a line `name,value` each. No name has a comma, no value a line feed.
export function lines(message) {
  return Array.from(message.headers).join("\n");
}

// Method, URL and headers of a request, a line each, put `into` the memory of wasm: as a string it would be looked at
// letter by letter on its way, and bytes of its own would have to be cleared away. How many bytes; or, when there is no
// room for them, how many are enough.
export function head(request, into) {
  const text = `${request.method}\n${request.url}\n${lines(request)}`;
  const { read, written } = encoder.encodeInto(text, into);
  return read === text.length ? written : 3 * text.length;
}

// What is looked at of the request's `cf` object, as JSON; undefined without Cloudflare in front. The whole object is
// large: it has the client's certificate in it.
export function signals({ cf }) {
  if (!cf) return undefined;
  const { country, region, city, continent, timezone, latitude, longitude, asn, colo } = cf;
  const { score, verifiedBot } = cf.botManagement ?? {};
  const { certPresented, certVerified, certRevoked, certFingerprintSHA256, certSubjectDN } = cf.tlsClientAuth ?? {};
  return JSON.stringify({
    country, region, city, continent, timezone, latitude, longitude, asn, colo,
    botManagement: { score, verifiedBot },
    tlsClientAuth: { certPresented, certVerified, certRevoked, certFingerprintSHA256, certSubjectDN },
  });
}

// Sends `request` to an origin with edited headers, and resolves to the answer with edited headers; a body is passed from
// one stream to the other. Redirects are the browser's to follow. `answered` is told status and headers, and says what to
// change, or undefined for an answer that must not pass; `unreachable` makes the answer when there is none. `always` is
// what to change about either, but for a WebSocket. `timing`:
// whether the browser is told how long the origin took. `book` and `line` are for `conclude`, `all` whether also of
// success. `bound` and `opened` are for `over`: a stream ends with its session. `texts` are those that cross as one.
export async function hop(request, texts, personal, navigation, timing, all, book, env, opened, answered, unreachable) {
  const [url, edits, always, line, bound] = texts.split("\0");
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
      if (answer.status !== 101) {
        const more = [always, timing && `+server-timing,origin;dur=${took()}`];
        changes = [changes, ...more].filter(Boolean).join("\n");
      }
      const made = changes === "" ? answer : edited(answer, changes);
      return bound !== "" && isStream(answer) ? until(made, (stopped) => over(env, bound, opened, stopped)) : made;
    }
  } catch {
    // As good as none.
  }
  const none = edited(unreachable(navigation), always);
  conclude(book, true, line, none.status, took(), "Unreachable");
  return none;
}

function isStream({ webSocket, body, headers }) {
  return webSocket || (body && /^text\/event-stream\b/i.test(headers.get("content-type") ?? ""));
}

// Resolves when the session ends that `bound` tells of: when at the latest, and the handle of its object, if it has one.
function over(env, bound, opened, stopped) {
  const [deadline, handle] = bound.split("\n");
  const [name, command] = (handle && opened(handle)) || [];
  return ended(env.SESSION, name, command, Number(deadline), stopped);
}

// Writes what came of a request: a line of the log, when it is to have one, and a point in the operator's `book` of
// figures, when there is one. `line` is a JSON object without its closing brace.
export function conclude(book, written, line, status, ms, cause) {
  const because = cause === undefined ? "" : `,"cause":${JSON.stringify(cause)}`;
  if (written) console.log(`${line},"status":${status},"ms":${ms}${because}}`);
  if (book === undefined) return;
  const { rule = -1, session, outcome } = JSON.parse(`${line}}`);
  try {
    book.writeDataPoint({ indexes: [String(rule)], blobs: [session, outcome, String(status)], doubles: [1, ms] });
  } catch (fault) {
    // Figures that are lost are no reason to refuse anybody.
    console.error(`a point was not written: ${fault}`);
  }
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

// A line each: `-name`, `?name,value` (unless it has one), `=name,value` or `+name,value`.
function edit(headers, edits) {
  for (const line of edits.split("\n")) {
    const comma = line.indexOf(",");
    const [name, value] = [line.slice(1, comma), line.slice(comma + 1)];
    switch (line[0]) {
      case "-": headers.delete(line.slice(1)); break;
      case "?": if (!headers.has(name)) headers.set(name, value); break;
      case "=": headers.set(name, value); break;
      case "+": headers.append(name, value); break;
    }
  }
}
