// Streams that end with their session: a WebSocket or a stream of events to a browser, and the watch that is kept for it.
// The watch is a WebSocket to the session's object, which closes it when the session ends, whoever ended it.

// Policy violation, RFC 6455 §7.4.1: what a browser is told whose session has ended.
const over = 1008;
const why = "session ended";
// Service restart.
const again = 1012;

// The object's side: a watch that stands from now on, also while the object sleeps.
export function stand(state) {
  const { 0: theirs, 1: ours } = new WebSocketPair();
  state.acceptWebSocket(ours);
  return { theirs, ours };
}

// The object's side: the answer to who wanted that watch. A status other than 101: there is nothing to watch.
export function kept({ theirs, ours }, status) {
  if (status === 101) return new Response(null, { status, webSocket: theirs });
  ours.close(1000);
  return new Response(null, { status });
}

// The object's side: the session has ended; or, when that is not certain, whoever watches is to look again.
export function ring(state, certain) {
  for (const socket of state.getWebSockets()) socket.close(certain ? over : again, why);
}

// Resolves when the session ends: by the word of its object, or at `deadline` (milliseconds since 1970). Never rejects. A
// watch that ends for another reason is kept anew; an object that cannot be asked is as good as one that says no.
export async function ended(sessions, name, command, deadline, stopped) {
  const timer = later(deadline, stopped);
  if (name === undefined) return timer;
  while (!stopped.aborted) {
    const socket = await begin(sessions, name, command);
    if (socket === undefined) return;
    const code = await Promise.race([closed(socket, stopped), timer]);
    if (code === undefined || code === over) return;
  }
}

async function begin(sessions, name, command) {
  for (const pause of [0, 200, 1000, 3000]) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      const headers = { Upgrade: "websocket", "X-Watch": command };
      const { status, webSocket: socket } = await sessions.getByName(name).fetch("https://object/", { headers });
      if (socket) {
        socket.accept();
        return socket;
      }
      // It says that there is no such session. Anything else is trouble, and trouble passes.
      if (status === 410) return undefined;
    } catch {
      // As above.
    }
  }
  return undefined;
}

function closed(socket, stopped) {
  return new Promise((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve(code));
    socket.addEventListener("error", () => resolve(0));
    stopped.addEventListener("abort", () => {
      socket.close(1000);
      resolve(undefined);
    });
  });
}

// Timers of longer than 24 days run at once.
const longest = 2 ** 31 - 1;

async function later(deadline, stopped) {
  for (let left = deadline - Date.now(); left > 0; left = deadline - Date.now()) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(left, longest));
      stopped.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
    if (stopped.aborted) return;
  }
}

// An origin's answer that goes on until the session ends.
export function until(answer, watch) {
  const stop = new AbortController();
  const end = watch(stop.signal);
  return answer.webSocket ? socketUntil(answer, end, stop) : eventsUntil(answer, end, stop);
}

function socketUntil(answer, end, stop) {
  const origin = answer.webSocket;
  const { 0: theirs, 1: browser } = new WebSocketPair();
  for (const [one, other] of [[origin, browser], [browser, origin]]) {
    one.binaryType = "arraybuffer";
    one.accept({ allowHalfOpen: true });
    one.addEventListener("message", ({ data }) => attempt(() => other.send(data)));
    one.addEventListener("close", ({ code, reason }) => {
      stop.abort();
      attempt(() => close(other, code, reason));
      attempt(() => close(one, code, reason));
    });
    one.addEventListener("error", () => {
      stop.abort();
      attempt(() => other.close(1011));
    });
  }
  end.then(() => {
    if (stop.signal.aborted) return;
    attempt(() => browser.close(over, why));
    attempt(() => origin.close(1001, why));
  });
  const headers = new Headers(answer.headers);
  for (const name of ["Connection", "Upgrade", "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions"]) headers.delete(name);
  return new Response(null, { status: 101, webSocket: theirs, headers });
}

// Codes that nobody may send stand for: closed without one, and lost on the way.
function close(socket, code, reason) {
  if (code === 1005) socket.close();
  else if (code === 1006 || code === 1015) socket.close(1011);
  else socket.close(code, reason);
}

// The other side may be gone already.
function attempt(act) {
  try {
    act();
  } catch {
    // Then there is nothing left to do.
  }
}

function eventsUntil(answer, end, stop) {
  const { readable, writable } = new IdentityTransformStream();
  const cut = new AbortController();
  // What was sent has been sent: the stream ends, it does not break.
  const piped = answer.body.pipeTo(writable, { signal: cut.signal, preventAbort: true });
  piped.then(() => stop.abort(), () => {
    stop.abort();
    return writable.close();
  }).catch(() => {});
  end.then(() => stop.signal.aborted || cut.abort());
  return new Response(readable, answer);
}
