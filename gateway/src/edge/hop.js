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
// change, or undefined for an answer that must not pass; `unreachable` makes the answer when there is none.
export async function hop(request, url, edits, personal, navigation, answered, unreachable) {
  const { method, body } = request;
  // The cache in front of an origin knows neither sessions nor tokens (CC-01): what is for one person is neither looked
  // up there nor stored.
  const cache = personal ? "no-store" : undefined;
  try {
    const headers = new Headers(request.headers);
    edit(headers, edits);
    const answer = await fetch(url, { method, headers, body, redirect: "manual", cache });
    const changes = answered(answer.status, lines(answer), personal);
    if (changes !== undefined) return changes === "" ? answer : edited(answer, changes);
  } catch {
    // As good as none.
  }
  return unreachable(navigation, request.url);
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
